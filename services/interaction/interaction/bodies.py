"""The bodies of the hot path, decoded and validated by msgspec in one pass; unknown fields are refused.

Numbers may come as JSON strings (exact) or JSON numbers. What a type cannot say is checked in `acceptance`.
"""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import msgspec
from msgspec import Meta, Struct, field

from contracts.event import Channel, InteractionKind

MAX_BODY_BYTES = 64_000
MAX_LINES = 2_000

_ONE = Decimal(1)

Source = Annotated[str, Meta(min_length=1, max_length=100, examples=["shop"])]
Label = Annotated[str, Meta(min_length=1, max_length=200)]


class CustomerReference(Struct, forbid_unknown_fields=True, gc=False):
    """Who it was: a customer's `id`, or the `external_id` that a `source` knows the customer by."""

    id: UUID | None = None
    source: Source | None = None
    external_id: Label | None = None


class MoneyBody(Struct, forbid_unknown_fields=True, gc=False):
    """An amount and its ISO 4217 currency; never negative, the sign comes from `kind`."""

    amount: Decimal
    currency: Annotated[str, Meta(min_length=3, max_length=3, examples=["EUR"])]


class LineBody(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One line of a purchase or return; without `amount` it is quantity × unit price − discount."""

    product: Label
    category: Label | None = None
    # A factory, so that one is written out as well: the events' readers need a quantity.
    quantity: Decimal = field(default_factory=lambda: _ONE)
    unit_price: Decimal | None = None
    amount: Decimal | None = None
    discount: Decimal | None = None
    unit_cost: Decimal | None = None


class InteractionBody(Struct, forbid_unknown_fields=True, gc=False):
    """One contact or transaction. `(source, source_id)` deduplicates; `backfill` marks history, which is never news."""

    source: Source
    source_id: Label
    customer: CustomerReference
    channel: Channel
    kind: InteractionKind
    occurred_at: Annotated[datetime, Meta(tz=True)]
    direction: Literal["inbound", "outbound"] = "inbound"
    amount: MoneyBody | None = None
    cost_to_serve: Decimal | None = None
    lines: Annotated[list[LineBody], Meta(max_length=MAX_LINES)] = []
    properties: dict[str, Any] = {}
    backfill: bool = False


decoder = msgspec.json.Decoder(InteractionBody)
encoder = msgspec.json.Encoder()

_PLACE = re.compile(r" - at `(?:key in )?\$?([^`]*)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(.*)`$")
_MISSING = re.compile(r"^Object missing required field `(.*)`$")


def explain(error: msgspec.ValidationError) -> tuple[str, str]:
    """A validation error as an RFC 6901 pointer and a sentence that does not repeat the value."""
    message = str(error)
    found = _PLACE.search(message)
    path = found[1] if found else ""
    detail = message[: found.start()] if found else message
    pointer = re.sub(r"\[(\d+)\]", r"/\1", path.replace("[...]", "")).replace(".", "/")
    if named := _UNKNOWN.match(detail) or _MISSING.match(detail):
        pointer += "/" + named[1].replace("~", "~0").replace("/", "~1")
        detail = "This field is not known." if detail.startswith("Object contains") else "This field is required."
    return pointer, re.sub(r"^Invalid enum value .*$", "Not one of the values allowed here.", detail)


_NUMBER = {
    "anyOf": [{"type": "string", "pattern": r"^\d{1,9}(\.\d{1,6})?$"}, {"type": "number", "minimum": 0, "maximum": 1e9}]
}


def json_schema() -> dict[str, Any]:
    """The JSON schema of an interaction's body, without references, for the API documentation."""
    _, components = msgspec.json.schema_components([InteractionBody], ref_template="{name}")
    schema: dict[str, Any] = _inline(components["InteractionBody"], components)
    schema["properties"]["kind"]["enum"] = list(get_args(InteractionKind))
    schema["properties"]["customer"]["anyOf"] = [{"required": ["id"]}, {"required": ["source", "external_id"]}]
    schema["properties"]["amount"]["anyOf"][0]["properties"]["currency"]["pattern"] = "^[A-Z]{3}$"
    return schema


def _inline(part: Any, components: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inline(one, components) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inline(components[part["$ref"]], components)
    if part.get("format") == "decimal":
        return _NUMBER
    return {name: _inline(one, components) for name, one in part.items() if name != "title"}
