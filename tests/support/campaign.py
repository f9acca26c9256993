"""What tests of the campaign service share: events as they arrive, playbooks as written, a partner's server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
from aiohttp import web
from uuid_utils.compat import uuid7

from chassis.clock import VirtualClock
from chassis.event_log import StoredRecord
from chassis.service import Service
from contracts.customer import ConsentChanged, ContactChanged, CustomerCreated
from contracts.envelope import Envelope
from contracts.event import Event, Money, Reason
from contracts.scoring import ChurnAlertCleared, ChurnAlertRaised

NOON = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)


class TwoClocks(VirtualClock):
    """Both clocks stand where a test puts them."""

    def __init__(self, at: datetime = NOON) -> None:
        super().__init__(at)
        self.system = at

    def system_now(self) -> datetime:
        """Where the test put the wall clock."""
        return self.system


def received(event: Event, *, backfill: bool = False, event_id: UUID | None = None) -> StoredRecord:
    """An event as the log hands it out."""
    envelope = Envelope.wrap(
        event, event_id=event_id or UUID(bytes=uuid7().bytes), source=event.topic, time=NOON, backfill=backfill,
        traceparent="00-" + "ab" * 16 + "-" + "cd" * 8 + "-01", correlationid="ab" * 16,
    )  # fmt: skip
    return StoredRecord(event.topic, 0, 0, event.subject, envelope.model_dump_json().encode())


async def handle(service: Service, *events: Event, backfill: bool = False) -> None:
    """Have the service's consumer handle events in one batch."""
    assert service.consumer is not None
    await service.consumer._apply([received(event, backfill=backfill) for event in events])


def alert(customer_id: UUID | None = None, **changes: Any) -> ChurnAlertRaised:
    """A churn alert of somebody silent whose saving pays: expected profit 0.5 × 200 × 0.2 = 20."""
    values: dict[str, Any] = {
        "alert_id": uuid4(), "customer_id": customer_id or uuid4(), "probability": 0.5, "band": "high",
        "horizon_days": 90, "model": "churn/1", "scored_at": NOON, "raised_at": NOON,
        "expected_margin": Money(amount=Decimal(200), currency="EUR"),
        "expected_profit": Money(amount=Decimal(20), currency="EUR"),
        "reasons": [Reason(code="silence", feature="recency", value=73, effect=0.9, text="73 days of silence")],
        "tier": "gold", "stage": "decline", "assumptions": {"save_rate": 0.2}, "version": 1,
    }  # fmt: skip
    return ChurnAlertRaised(**values | changes)


def cleared(raised: ChurnAlertRaised, **changes: Any) -> ChurnAlertCleared:
    """The end of an alert."""
    values: dict[str, Any] = {"probability": 0.1, "cause": "recovered", "cleared_at": NOON, "version": 9}
    return ChurnAlertCleared(customer_id=raised.customer_id, alert_id=raised.alert_id, **values | changes)


def consent(customer_id: UUID, channel: str = "partner", state: str = "granted", version: int = 1) -> ConsentChanged:
    """Consent for marketing."""
    return ConsentChanged(
        customer_id=customer_id, channel=channel, purpose="marketing", state=state, changed_at=NOON, version=version
    )  # type: ignore[arg-type]


def profile(customer_id: UUID, time_zone: str | None = None, version: int = 1) -> CustomerCreated:
    """A profile."""
    return CustomerCreated(customer_id=customer_id, time_zone=time_zone, version=version, created_at=NOON)


def contact(customer_id: UUID, **changes: Any) -> ContactChanged:
    """Contact points of Ada."""
    values = {"name": "Ada", "emails": ["ada@example.com"], "phones": ["+442071838750"], "version": 1}
    return ContactChanged(customer_id=customer_id, **values | changes)


OFFER = {"key": "save-10", "name": "10 % off", "kind": "discount", "cost": {"amount": "3.00", "currency": "EUR"}}


def playbook(**changes: Any) -> dict[str, Any]:
    """A playbook for everybody, over the partner webhook."""
    return {"name": "All", "action": {"channel": "webhook", "offer": "save-10"}} | changes


async def created(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What POST made."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def listed(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """The items of a list."""
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@dataclass
class Hit:
    """A request as a partner got it."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Partner:
    """A partner's server on this machine; `answers` are given in turn, the last one for ever."""

    url: str = ""
    hits: list[Hit] = field(default_factory=list)
    answers: list[int | Answer] = field(default_factory=lambda: [204])

    def of(self, path: str) -> list[Hit]:
        """What arrived at a path."""
        return [hit for hit in self.hits if hit.path == path]

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """Note a request and answer."""
        body = await request.read()
        self.hits.append(Hit(request.path, dict(request.headers), body, asyncio.get_running_loop().time()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=answer) if isinstance(answer, int) else await answer(request)


@asynccontextmanager
async def partner(answers: Sequence[int | Answer] = (204,)) -> AsyncIterator[Partner]:
    """A partner's server that runs inside the block."""
    receiver = Partner(answers=list(answers))
    app = web.Application(client_max_size=2**21)
    app.router.add_route("*", "/{tail:.*}", receiver.receive)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
