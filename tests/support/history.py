"""What clients were promised, and whether every part of the platform keeps it.

Invariant I: every acknowledged write has its event applied exactly once in each consumer, in key order.
"""

import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.support.platform import NOON, PlatformProcess

_NEWS_WINDOW = timedelta(hours=48)
_MILLIONTHS = 1_000_000
_COLUMN = {
    "purchase": "purchase_count", "return": "return_count", "visit": "visit_count", "complaint": "complaint_count",
    "contact": "contact_count",
}  # fmt: skip
_KINDS = ("purchase", "purchase", "purchase", "return", "visit", "complaint", "contact")
_CONSUMERS = ("customer", "scoring", "campaign")


@dataclass(frozen=True)
class Kept:
    """An acknowledged interaction."""

    body: dict[str, Any]
    id: UUID
    customer_id: UUID

    @property
    def occurred_at(self) -> datetime:
        return datetime.fromisoformat(self.body["occurred_at"])

    @property
    def is_news(self) -> bool:
        return not self.body["backfill"] and NOON - self.occurred_at <= _NEWS_WINDOW


@dataclass
class Verdict:
    """What was found wrong, by consumer; nothing, when the invariant holds."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)

    def compare(self, where: str, expected: Counter[Any], found: Counter[Any]) -> None:
        """Note what is missing from what was found, and what is too much."""
        self.lost += [f"{where}: {what} ×{count}" for what, count in (expected - found).items()]
        self.twice += [f"{where}: {what} ×{count}" for what, count in (found - expected).items()]

    def __bool__(self) -> bool:
        return bool(self.lost or self.twice or self.disordered)

    def __str__(self) -> str:
        return "; ".join(
            f"{len(faults)} {name}: {', '.join(faults[:5])}"
            for name, faults in (("lost", self.lost), ("twice", self.twice), ("disordered", self.disordered))
            if faults
        )


class History:
    """The writes of one experiment: makes them up at random, and keeps what was acknowledged."""

    def __init__(self, name: str, *, seed: int) -> None:
        self.name = name
        self.seed = seed
        self.kept: dict[str, Kept] = {}
        self.profiles: dict[str, UUID] = {}
        # Answers that a repeated request got for work its first try had done before it was cut off.
        self.repeated_count = 0
        self._made = 0

    @property
    def acknowledged_count(self) -> int:
        return len(self.kept) + len(self.profiles)

    def interaction(self, customer: int, chance: random.Random) -> dict[str, Any]:
        """A new interaction of a customer of this experiment."""
        self._made += 1
        kind = chance.choice(_KINDS)
        is_old = chance.random() < 0.2
        occurred_at = NOON - timedelta(seconds=chance.randint(0, 40 * 86400 if is_old else 36 * 3600))
        body: dict[str, Any] = {
            "source": self.name, "source_id": f"{self.name}-{self._made}", "channel": "web", "kind": kind,
            "customer": {"source": self.name, "external_id": f"customer-{customer}"},
            "occurred_at": occurred_at.isoformat(), "backfill": chance.random() < 0.1,
        }  # fmt: skip
        if kind in ("purchase", "return"):
            cents = chance.randint(0, 99_999)
            body["amount"] = {"amount": f"{cents // 100}.{cents % 100:02d}", "currency": "EUR"}
        return body

    def acknowledge(self, body: dict[str, Any], answer: dict[str, Any]) -> None:
        """Remember an interaction that was answered with success."""
        assert not answer.get("differs"), f"the same body was called another: {answer}"
        source_id = body["source_id"]
        assert source_id not in self.kept
        self.kept[source_id] = Kept(body, UUID(answer["id"]), UUID(answer["customer_id"]))
        self.repeated_count += bool(answer["duplicate"])

    def register(self, name: str, answer: dict[str, Any], *, replayed: bool) -> None:
        """Remember a profile that was answered with success."""
        self.profiles[name] = UUID(answer["id"] if "id" in answer else answer["profile"]["id"])
        self.repeated_count += replayed

    async def verdict(self, platform: PlatformProcess) -> Verdict:
        """Compare every part of a platform at rest with what was acknowledged."""
        verdict = Verdict()
        by_customer: dict[UUID, list[Kept]] = defaultdict(list)
        for kept in self.kept.values():
            by_customer[kept.customer_id].append(kept)
        async with platform.client() as client:
            for customer_id, kepts in by_customer.items():
                await _compare_timeline(client, customer_id, kepts, verdict)
                await _compare_360(client, customer_id, kepts, verdict)
        await self._compare_buckets(platform, by_customer, verdict)
        await self._compare_profiles(platform, verdict)
        await self._compare_order(platform, verdict)
        return verdict

    async def _compare_buckets(
        self, platform: PlatformProcess, by_customer: dict[UUID, list[Kept]], verdict: Verdict
    ) -> None:
        """Scoring's daily sums, to the cent."""
        expected: Counter[Any] = Counter()
        for customer_id, kepts in by_customer.items():
            for kept in kepts:
                kind, day = kept.body["kind"], kept.occurred_at.date()
                expected[customer_id, day, _COLUMN[kind]] += 1
                if "amount" in kept.body:
                    amount = int(Decimal(kept.body["amount"]["amount"]) * _MILLIONTHS)
                    expected[customer_id, day, f"{kind}_amount"] += amount
        columns = sorted({*_COLUMN.values(), "purchase_amount", "return_amount"})
        sums = ", ".join(f"sum({column})::bigint AS {column}" for column in columns)
        rows = await platform.rows(
            "stave_scoring",
            f"SELECT customer_id, day, {sums} FROM activity WHERE customer_id = ANY($1) GROUP BY 1, 2",
            list(by_customer),
        )
        found: Counter[Any] = Counter()
        for row in rows:
            day = date(1970, 1, 1) + timedelta(days=row["day"])
            found.update({(row["customer_id"], day, column): row[column] for column in columns})
        verdict.compare("scoring's buckets", +expected, +found)

    async def _compare_profiles(self, platform: PlatformProcess, verdict: Verdict) -> None:
        """Profiles made under an Idempotency-Key: one each, known to who keeps a copy."""
        rows = await platform.rows(
            "stave_customer", "SELECT id, name FROM customers WHERE name LIKE $1 || '%'", f"{self.name} "
        )
        expected = Counter(self.profiles.items())
        verdict.compare("profiles", expected, Counter((row["name"], row["id"]) for row in rows))
        ids = list(self.profiles.values())
        for service, column in (("scoring", "id"), ("campaign", "customer_id")):
            copies = await platform.rows(
                f"stave_{service}", f"SELECT {column} FROM customers WHERE {column} = ANY($1)", ids
            )
            verdict.compare(f"{service}'s profiles", Counter(ids), Counter(row[0] for row in copies))

    async def _compare_order(self, platform: PlatformProcess, verdict: Verdict) -> None:
        """In the log, what one client wrote about one customer in turn, stays in turn; each consumer claims it so."""
        rows = await platform.rows(
            "stave_event_log",
            "SELECT key, value FROM records WHERE topic = 'interaction' ORDER BY partition, \"offset\"",
        )
        events: dict[UUID, tuple[str, UUID]] = {}
        for row in rows:
            envelope = json.loads(row["value"])
            if envelope["type"] == "interaction.recorded.v1":
                events.setdefault(UUID(envelope["data"]["id"]), (row["key"], UUID(envelope["id"])))
        self._compare_log(events, verdict)
        for consumer in _CONSUMERS:
            claims = await platform.rows(
                f"stave_{consumer}", "SELECT event_id, claimed_at FROM inbox WHERE consumer = $1", consumer
            )
            claimed_at = {row["event_id"]: row["claimed_at"] for row in claims}
            latest: dict[str, datetime] = {}
            for key, event_id in events.values():
                at = claimed_at.get(event_id)
                if at is None:
                    verdict.lost.append(f"{consumer}'s inbox: {event_id}")
                elif at < latest.setdefault(key, at):
                    verdict.disordered.append(f"{consumer}: {event_id}")
                else:
                    latest[key] = at

    def _compare_log(self, events: dict[UUID, tuple[str, UUID]], verdict: Verdict) -> None:
        place = {interaction_id: number for number, interaction_id in enumerate(events)}
        latest: dict[UUID, int] = {}
        for kept in self.kept.values():
            if kept.body["backfill"]:
                continue
            if (at := place.get(kept.id)) is None:
                verdict.lost.append(f"event log: {kept.body['source_id']}")
            elif at < latest.get(kept.customer_id, 0):
                verdict.disordered.append(f"event log: {kept.body['source_id']}")
            else:
                latest[kept.customer_id] = at


async def _compare_timeline(client: Any, customer_id: UUID, kepts: list[Kept], verdict: Verdict) -> None:
    found: Counter[str] = Counter()
    cursor: str | None = ""
    while cursor is not None:
        parameters = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        answer = await client.get(f"/v1/customers/{customer_id}/interactions", params=parameters)
        answer.raise_for_status()
        found.update(item["id"] for item in answer.json()["items"] if item["source"] != "stave")
        cursor = answer.json()["next_cursor"]
    verdict.compare("timeline", Counter(str(kept.id) for kept in kepts), found)


async def _compare_360(client: Any, customer_id: UUID, kepts: list[Kept], verdict: Verdict) -> None:
    answer = await client.get(f"/v1/customers/{customer_id}/360")
    if answer.status_code == 404:
        verdict.lost.append(f"360: {customer_id}")
        return
    answer.raise_for_status()
    own = {"campaign_touch", "delivery_receipt"}
    counts = Counter({kind: count for kind, count in answer.json()["counts"].items() if kind not in own})
    expected = Counter(kept.body["kind"] for kept in kepts)
    verdict.compare(f"360 of {customer_id}", expected, counts)
