"""What the interaction service tells: what happened, over every channel. Free text never leaves that service."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.customer import ExternalId
from contracts.event import Channel, CustomerEvent, Event, Exact, Instant, InteractionKind, Money, Value


class Line(Value):
    """One line of a purchase or return."""

    product: str
    category: str | None = None
    quantity: Exact
    unit_price: Exact | None = None
    amount: Exact
    discount: Exact | None = None
    unit_cost: Exact | None = None


class Facts(Value):
    """The machine-readable part of an interaction's free-form properties, taken by these keys."""

    severity: Literal["low", "medium", "high"] | None = None
    rating: float | None = None
    plan: str | None = None
    ends_at: Instant | None = None
    days_late: float | None = None
    alert_id: UUID | None = None
    decision_id: UUID | None = None
    delivery_id: UUID | None = None


class InteractionRecorded(CustomerEvent):
    """One interaction was stored. `margin` is in the reporting currency, negative for a return."""

    wire_name: ClassVar[str] = "interaction.recorded.v1"
    topic: ClassVar[str] = "interaction"
    id: UUID
    source: str
    source_id: str
    external_id: ExternalId | None = None
    channel: Channel
    direction: Literal["inbound", "outbound"]
    kind: InteractionKind
    occurred_at: Instant
    known_at: Instant
    amount: Money | None = None
    cost_to_serve: Exact | None = None
    margin: Exact | None = None
    margin_assumed: bool = True
    discount: Exact | None = None
    lines: list[Line] = []
    facts: Facts = Facts()
    backfill: bool = False


class HistoryRow(Value):
    """One interaction of the past; amounts in the reporting currency, `margin` negative for a return."""

    id: UUID
    customer_id: UUID
    external_id: ExternalId | None = None
    channel: Channel
    kind: InteractionKind
    occurred_at: Instant
    amount: Exact | None = None
    margin: Exact | None = None
    margin_assumed: bool = True
    discount: Exact | None = None
    products: list[str] = []
    facts: Facts | None = None


class HistoryRecorded(Event):
    """A chunk of imported past: builds features and timelines, is never news.

    A chunk holds rows of many customers, so consumers must treat its rows as order-free (additive).
    """

    wire_name: ClassVar[str] = "interaction.history_recorded.v1"
    topic: ClassVar[str] = "interaction"
    offered: ClassVar[bool] = False
    shard: int
    currency: str
    rows: Annotated[list[HistoryRow], Field(max_length=500)]

    @property
    def subject(self) -> str:
        """Rows are spread over shards by customer id."""
        return f"history-{self.shard}"
