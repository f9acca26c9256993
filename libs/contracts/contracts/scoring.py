"""What the scoring service tells: what we believe about a customer, and when acting is worth it."""

from typing import Any, ClassVar, Literal
from uuid import UUID

from contracts.event import Band, CustomerEvent, Event, Instant, Money, Reason, Stage, Tier


class CustomerScored(CustomerEvent):
    """A customer's beliefs changed enough to tell; the event carries the whole new state."""

    wire_name: ClassVar[str] = "scoring.customer_scored.v1"
    topic: ClassVar[str] = "scoring"
    probability: float
    band: Band
    horizon_days: int
    model: str
    scored_at: Instant
    base: float
    reasons: list[Reason] = []
    expected_margin: Money
    value_horizon_days: int
    tier: Tier
    stage: Stage
    contractual: bool = False
    prior: bool = False
    # What the expected margin rests on; unknown in events of older releases.
    value_model: str | None = None
    value_prior: bool | None = None
    margin_assumed: bool | None = None
    version: int


class ChurnAlert(CustomerEvent):
    """The fields an alert carries while it is open."""

    topic: ClassVar[str] = "scoring"
    alert_id: UUID
    probability: float
    band: Band
    horizon_days: int
    model: str
    scored_at: Instant
    expected_margin: Money
    expected_profit: Money
    reasons: list[Reason]
    tier: Tier
    stage: Stage
    assumptions: dict[str, Any] = {}
    recommended: str | None = None
    # Opened from imported history, not by something that just happened.
    from_history: bool = False
    # A snoozed alert is put off: nobody should act on it before `snoozed_until`.
    state: Literal["open", "acted", "snoozed"] = "open"
    snoozed_until: Instant | None = None
    version: int


class ChurnAlertRaised(ChurnAlert):
    """Acting on this customer is expected to pay."""

    wire_name: ClassVar[str] = "scoring.churn_alert_raised.v1"
    raised_at: Instant


class ChurnAlertUpdated(ChurnAlert):
    """The beliefs behind an open alert changed enough to tell, or it was put off, or is open again."""

    wire_name: ClassVar[str] = "scoring.churn_alert_updated.v1"
    raised_at: Instant


class ChurnAlertCleared(CustomerEvent):
    """The alert is over: by itself, or `dismissed` by a person."""

    wire_name: ClassVar[str] = "scoring.churn_alert_cleared.v1"
    topic: ClassVar[str] = "scoring"
    alert_id: UUID
    probability: float
    cause: Literal["recovered", "lost", "cancelled", "merged", "erased", "policy", "dismissed"]
    cleared_at: Instant
    version: int


class ModelPromoted(Event):
    """A model version began to serve."""

    wire_name: ClassVar[str] = "scoring.model_promoted.v1"
    topic: ClassVar[str] = "scoring"
    model: str
    kind: str
    promoted_at: Instant
    metrics: dict[str, float | None] = {}

    @property
    def subject(self) -> str:
        """Order is kept per kind of model."""
        return f"model-{self.kind}"
