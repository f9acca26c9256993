"""Decisions, actions and calls over HTTP."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from campaign.repository.query import Row
from campaign.schemas.money import Amount, amount_of
from chassis.api import StrictModel

Outcome = Literal["act", "hold_out", "suppressed", "deferred", "expired"]
DeliveryState = Literal["pending", "succeeded", "failed"]


class GateView(BaseModel):
    """One check and everything it looked at."""

    gate: str
    passed: bool
    inputs: dict[str, Any]


class DecisionView(BaseModel):
    """What was decided about an alert, and why."""

    id: UUID
    customer_id: UUID
    alert_id: UUID
    playbook_id: UUID | None
    playbook: str | None
    action: dict[str, Any] | None
    outcome: Outcome
    gates: list[GateView]
    expected_profit: Amount
    decided_at: datetime
    due_at: datetime | None = Field(description="When a deferred one is decided again")
    resolved_by: UUID | None = Field(description="The decision that took a deferred one's place")
    from_history: bool = Field(description="The alert was opened from imported history, not by something new")
    created_at: datetime


class CarriedOut(BaseModel):
    """How far a delivery of an action is."""

    id: UUID
    channel: str
    endpoint_id: UUID | None
    state: DeliveryState
    attempt_count: int
    next_attempt_at: datetime | None
    updated_at: datetime


class DecisionStory(DecisionView):
    """A decision with the alert it is about as it was then, and what came of it."""

    alert: dict[str, Any]
    trace_id: str | None
    event_id: UUID | None
    caused_by: UUID | None
    deliveries: list[CarriedOut]
    decisions_of_alert: list[dict[str, Any]]


class ActionView(BaseModel):
    """An action that passed every gate."""

    id: UUID
    customer_id: UUID
    alert_id: UUID
    playbook_id: UUID | None
    playbook: str | None
    action: dict[str, Any]
    expected_profit: Amount
    decided_at: datetime
    deliveries: list[CarriedOut]


class CallView(BaseModel):
    """A customer to call."""

    id: UUID
    decision_id: UUID
    customer_id: UUID
    name: str | None = Field(description="Only with the scope pii:read")
    phone: str | None = Field(description="Only with the scope pii:read")
    playbook: str | None
    offer: str | None
    offer_name: str | None
    reasons: list[dict[str, Any]]
    probability: float
    expected_profit: Amount
    state: Literal["open", "done"]
    decided_at: datetime
    created_at: datetime


class CallCompletion(StrictModel):
    """How a call went."""

    outcome: Literal["accepted", "declined", "reached", "no_answer", "wrong_number", "opted_out"]
    note: str | None = Field(None, max_length=5000)


class CompletedCall(BaseModel):
    """A call that is over."""

    id: UUID
    decision_id: UUID
    customer_id: UUID
    state: Literal["open", "done"]
    outcome: str
    note: str | None
    completed_by: str
    completed_at: datetime


def decision_view(row: Row) -> dict[str, Any]:
    """A decision as it is shown."""
    return dict(row) | {
        "expected_profit": amount_of(row["expected_profit"], row["currency"]),
        "from_history": row["alert"].get("from_history", False),
    }


def call_view(row: Row, contact: Row | None, *, shows_contact: bool) -> dict[str, Any]:
    """A call as it is shown; contact points only to who may see them."""
    shown = contact if shows_contact else None
    return dict(row) | {
        "name": shown and shown["name"], "phone": shown and shown["phone"],
        "offer": row["action"]["offer"], "offer_name": row["action"]["offer_name"],
        "reasons": row["alert"]["reasons"], "probability": row["alert"]["probability"],
        "expected_profit": amount_of(row["expected_profit"], row["currency"]),
    }  # fmt: skip
