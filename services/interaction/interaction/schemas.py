"""What this service answers with, for its API documentation and its reads."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, PlainSerializer

from contracts.event import Channel, InteractionKind

# Exact numbers are strings on the wire, without the zeros that the column's scale would add.
Number = Annotated[Decimal, PlainSerializer(lambda value: plain(value), return_type=str)]


def plain(value: Decimal) -> str:
    """`12.300000` → `12.30`: no more decimals than needed, but never fewer than two."""
    text = format(value, "f")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


class Money(BaseModel):
    """An exact amount in an ISO 4217 currency."""

    amount: Number
    currency: str


class Accepted(BaseModel):
    """The interaction is durable. `duplicate`: it was there before; `differs`: with another body."""

    id: UUID
    customer_id: UUID
    duplicate: bool
    differs: Literal[True] | None = None


class ItemError(BaseModel):
    """What was wrong with one item, as problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[dict[str, str]]


class ItemResult(BaseModel):
    """What became of one item; `status` is the HTTP status it would have got alone."""

    index: int
    status: int
    id: UUID | None = None
    customer_id: UUID | None = None
    duplicate: bool | None = None
    differs: Literal[True] | None = None
    error: ItemError | None = None


class BulkAccepted(BaseModel):
    """A result for each item, in order; duplicates count as accepted."""

    results: list[ItemResult]
    accepted: int
    rejected: int


class Line(BaseModel):
    """One line of a purchase or return."""

    product: str
    category: str | None = None
    quantity: str
    unit_price: str | None = None
    amount: str
    discount: str | None = None
    unit_cost: str | None = None


class Interaction(BaseModel):
    """One interaction as it was stored; it never changes. `margin` and `discount` are in the reporting currency."""

    id: UUID
    customer_id: UUID
    source: str
    source_id: str
    channel: Channel
    direction: Literal["inbound", "outbound"]
    kind: InteractionKind
    occurred_at: datetime
    known_at: datetime
    amount: Money | None
    cost_to_serve: Number | None
    margin: Money | None
    margin_assumed: bool
    discount: Number | None
    lines: list[Line]
    properties: dict[str, Any]
    backfill: bool
    trace_id: str = Field(description="The request that recorded it")
    created_at: datetime
    updated_at: datetime


class Terms(BaseModel):
    """What an interaction may say; amounts in `currencies` are converted to `currency`, the reporting one."""

    currency: str
    currencies: list[str]
    kinds: list[InteractionKind]
    channels: list[Channel]
    latest: datetime = Field(description="What happened later than this is refused as lying in the future")
