"""An interaction on its way into the log: the body as accepted and what was worked out from it."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct

from chassis.trace import TraceContext
from interaction.bodies import InteractionBody


class FactsBody(Struct, omit_defaults=True, gc=False):
    """The properties that other services may read, by their fixed keys."""

    severity: str | None = None
    rating: float | None = None
    plan: str | None = None
    ends_at: datetime | None = None
    days_late: float | None = None
    alert_id: UUID | None = None
    decision_id: UUID | None = None
    delivery_id: UUID | None = None


class Entry(Struct, gc=False):
    """One accepted interaction. Times are UTC; margin, discount and `worth` are in the reporting currency.

    `customer_id` is the profile the identity belongs to, `survivor_id` the one it lives on in after merges; both are
    known once identities have been resolved.
    """

    id: UUID
    body: InteractionBody
    digest: int
    occurred_at: datetime
    known_at: datetime
    trace: TraceContext
    worth: Decimal | None = None
    margin: Decimal | None = None
    margin_assumed: bool = True
    discount: Decimal | None = None
    lines_json: bytes = b""
    properties_json: bytes = b""
    facts: FactsBody | None = None
    customer_id: UUID | None = None
    survivor_id: UUID | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What deduplicates it."""
        return self.body.source, self.body.source_id


class Outcome(Struct, omit_defaults=True, gc=False):
    """What became of an entry; `differs`: the body that came first was another."""

    id: UUID
    customer_id: UUID
    duplicate: bool
    differs: bool | None = None


def facts_of(properties: dict[str, Any]) -> FactsBody | None:
    """The facts among free-form properties; a value of another type is no fact and stays a property."""
    from contextlib import suppress

    from msgspec import ValidationError, convert

    facts = FactsBody()
    found = False
    for name, kind in _FACT_KINDS.items():
        if name in properties:
            with suppress(ValidationError, ValueError, OverflowError):
                value = convert(properties[name], kind, strict=kind is str)
                if _is_usable(name, value):
                    setattr(facts, name, value)
                    found = True
    return facts if found else None


_FACT_KINDS: dict[str, Any] = {
    "severity": str, "rating": float, "plan": str, "ends_at": datetime, "days_late": float,
    "alert_id": UUID, "decision_id": UUID, "delivery_id": UUID,
}  # fmt: skip


def _is_usable(name: str, value: Any) -> bool:
    if name == "severity":
        return value in ("low", "medium", "high")
    return name != "ends_at" or value.tzinfo is not None
