"""The loop itself, step by step over the HTTP API: set up, import, train, score, replay, collect."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from standalone.demo.client import Body, Platform
from standalone.demo.dataset import Dataset, LiveDay, ShowProgress
from standalone.demo.past import import_file
from standalone.demo.receiver import Receiver
from standalone.terminal import say


@dataclass
class Step:
    """One step and what it cost."""

    name: str
    seconds: float
    said: str = ""


@dataclass
class DayCount:
    """What one replayed day brought."""

    day: str
    interactions: int
    webhooks: int


@dataclass
class Findings:
    """Everything the report tells, as the platform answered it."""

    steps: list[Step] = field(default_factory=list)
    models: list[Body] = field(default_factory=list)
    scores: dict[str, Body] = field(default_factory=dict)
    alerts: list[Body] = field(default_factory=list)
    decisions: list[Body] = field(default_factory=list)
    deliveries: list[Body] = field(default_factory=list)
    customers: dict[str, str] = field(default_factory=dict)
    days: list[DayCount] = field(default_factory=list)
    posted_at: dict[str, datetime] = field(default_factory=dict)
    buried: int = 0


class Loop:
    """One run of the demonstration."""

    def __init__(self, platform: Platform, dataset: Dataset, receiver: Receiver, progress: ShowProgress) -> None:
        self.platform = platform
        self.dataset = dataset
        self.receiver = receiver
        self.progress = progress
        self.found = Findings()

    async def run(self) -> Findings:
        """All steps in order."""
        await self.platform.set_clock(self.dataset.cut_at)
        async with self._step("offers, playbooks, a partner's endpoint") as step:
            step.said = await self._set_up()
        async with self._step("import customers with consents") as step:
            step.said = await self._import_customers()
        async with self._step("import their past") as step:
            step.said = await self._import_past()
        async with self._step("train") as step:
            step.said = await self._train()
        async with self._step("score everybody, open first alerts") as step:
            step.said = await self._score()
        async with self._step(f"replay {_days(len(self.dataset.days))} as live traffic") as step:
            step.said = await self._replay()
        async with self._step("collect the report") as step:
            step.said = await self._collect()
        return self.found

    @asynccontextmanager
    async def _step(self, name: str) -> AsyncIterator[Step]:
        step = Step(name, 0.0)
        began = time.perf_counter()
        self.progress(name, 0, None)
        yield step
        step.seconds = time.perf_counter() - began
        self.found.steps.append(step)
        say(f"✓ {name}: {step.said} ({step.seconds:.1f} s)")

    async def _set_up(self) -> str:
        for offer in offers(self.dataset.currency):
            await self.platform.ask("POST", "/v1/offers", offer)
        event_types = ["scoring.churn_alert_raised.*", "campaign.action_decided.*"]
        endpoint = await self.platform.ask(
            "POST", "/v1/webhooks/endpoints", {"url": self.receiver.url, "event_types": event_types, "payload": "full"}
        )
        self.receiver.secret = endpoint["secret"]
        for playbook in playbooks(self.dataset.currency, endpoint["id"]):
            await self.platform.ask("POST", "/v1/playbooks", playbook)
        return f"{len(offers('EUR'))} offers, {len(playbooks('EUR', ''))} playbooks, partner at {self.receiver.url}"

    async def _import_customers(self) -> str:
        counts = await self._post_customers(self.dataset.customers)
        await self._settle("import customers with consents")
        return f"{counts['accepted']:,} customers" + _refused(counts)

    async def _post_customers(self, customers: list[Body]) -> Body:
        return await self.platform.post_all("/v1/customers/bulk", customers, size=1000)

    async def _import_past(self) -> str:
        said = [
            await import_file(history, self.dataset, self.platform, self.progress) for history in self.dataset.histories
        ]
        if self.dataset.past_interactions:
            counts = await self.platform.post_all("/v1/interactions/bulk", self.dataset.past_interactions)
            said.append(f"{counts['accepted']:,} interactions" + _refused(counts))
        await self._settle("import their past")
        return "; ".join(said)

    async def _train(self) -> str:
        # A subscriber's value follows from the price paid; only purchases need a model of their own.
        if not self.dataset.contractual:
            await self._train_one("value", {})
        await self._train_one("churn", {"horizon_days": self.dataset.horizon_days})
        self.found.models = [model async for model in self.platform.all_of("/v1/models")]
        return ", ".join(str(model["version"]) for model in self.found.models)

    async def _train_one(self, kind: str, body: Body) -> None:
        job = await self.platform.ask("POST", f"/v1/models/{kind}/train", body)
        await self.platform.finish(job, lambda done, total: self.progress(f"train {kind}", done, total))

    async def _score(self) -> str:
        job = await self.platform.ask("POST", "/v1/scores/refresh")
        await self.platform.finish(job, lambda done, total: self.progress("score everybody", done, total))
        await self._settle("score everybody")
        await self._take_scores()
        return f"{len(self.found.scores):,} scores"

    async def _take_scores(self) -> None:
        async for score in self.platform.all_of("/v1/scores"):
            self.found.scores[score["customer_id"]] = score

    async def _replay(self) -> str:
        total = 0
        for number, day in enumerate(self.dataset.days, 1):
            arrived = len(self.receiver.arrivals)
            total += await self._live(day)
            count = DayCount(day.day.isoformat(), len(day.interactions), len(self.receiver.arrivals) - arrived)
            self.found.days.append(count)
            self.progress(f"replay {day.day}", number, len(self.dataset.days))
        if self.dataset.contractual:
            # Who arrived live has no earlier score to be judged by.
            await self._take_scores()
        return f"{total:,} live interactions, {len(self.receiver.arrivals):,} webhooks received"

    async def _live(self, day: LiveDay) -> int:
        count = 0
        for until, interactions in day.parts():
            await self.platform.set_clock(until)
            if interactions and day.customers:
                await self._post_customers(day.customers)
                day.customers = []
                await self._settle(None)
            count += await self._post_live(interactions)
            await self._settle(None)
        return count

    async def _post_live(self, interactions: list[Body]) -> int:
        if not interactions:
            return 0
        # The partner's webhooks carry the trace they began in: that tells how long each took from here.
        trace_id = f"{time.time_ns():032x}"
        self.found.posted_at[trace_id] = datetime.now(UTC)
        trace = {"traceparent": f"00-{trace_id}-{1:016x}-01"}
        counts = await self.platform.post_all("/v1/interactions/bulk", interactions, size=5000, headers=trace)
        return int(counts["accepted"])

    async def _settle(self, what: str | None) -> None:
        if what is not None:
            self.progress(f"{what}: wait until every event is applied", 0, None)
        await self.platform.settle()

    async def _collect(self) -> str:
        found = self.found
        found.alerts = [alert async for alert in self.platform.all_of("/v1/alerts")]
        found.decisions = [decision async for decision in self.platform.all_of("/v1/decisions")]
        found.deliveries = [delivery async for delivery in self.platform.all_of("/v1/webhooks/deliveries")]
        async for customer in self.platform.all_of("/v1/customers"):
            found.customers[customer["id"]] = customer["external_ids"][0]["id"]
        backlog = await self.platform.ask("GET", "/v1/backlog")
        found.buried = sum(counts.get("buried_events", 0) for counts in backlog.values())
        return f"{len(found.alerts):,} alerts, {len(found.decisions):,} decisions, {len(found.deliveries):,} deliveries"


def _days(count: int) -> str:
    return f"{count} day{'s' if count != 1 else ''}"


def _refused(counts: Body) -> str:
    return f" ({counts['refused']:,} refused: {counts['faults'][0]['detail']})" if counts["refused"] else ""


def offers(currency: str) -> list[Body]:
    """What the shop may give."""
    return [
        {"key": "call", "name": "A personal call", "kind": "service",
         "cost": {"amount": "4.00", "currency": currency}, "save_rate": 0.2, "active": True},
        {"key": "save-10", "name": "10 % off the next purchase", "kind": "discount",
         "cost": {"amount": "3.00", "currency": currency}, "save_rate": 0.12, "active": True},
        {"key": "reminder", "name": "A reminder with news", "kind": "message",
         "cost": {"amount": "0.10", "currency": currency}, "save_rate": 0.03, "active": True},
    ]  # fmt: skip


def playbooks(currency: str, endpoint_id: str) -> list[Body]:
    """Which offer for whom: the best customers are called, the others' offers go out through the partner."""
    partner: Body = {"channel": "webhook", "endpoint_id": endpoint_id}
    return [
        _playbook("Call the best", 300, tiers=["diamond"], action={"channel": "phone", "offer": "call"},
                  budget=("2000.00", currency)),
        _playbook("Offer to good customers", 200, tiers=["gold", "silver"], action={**partner, "offer": "save-10"},
                  budget=("1500.00", currency)),
        _playbook("Remind the others", 100, tiers=[], action={**partner, "offer": "reminder"},
                  budget=("100.00", currency)),
    ]  # fmt: skip


def _playbook(name: str, priority: int, *, tiers: list[str], action: Body, budget: tuple[str, str]) -> Body:
    return {
        "name": name,
        "priority": priority,
        "active": True,
        "match": {"stages": [], "tiers": tiers, "reasons": [], "min_probability": 0.0},
        "action": action,
        "hold_out_share": 0.1,
        "cap": {"count": 1, "days": 14},
        "quiet_hours": {"from": "21:00", "to": "08:00"},
        "budget": {"amount": budget[0], "currency": budget[1], "period": "month"},
    }
