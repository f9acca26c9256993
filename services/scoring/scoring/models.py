"""The rows this service owns, as values."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from contracts.event import Band, Reason, Stage, Tier

ClearCause = Literal["recovered", "lost", "cancelled", "merged", "erased", "policy", "dismissed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """What is believed of a customer; `told_probability` is what other services were last told.

    `reasons` is None until somebody needs them. `waiting_profit` is set while acting would pay but the beliefs come
    from imported history, so that the alert waits for its turn.
    """

    customer_id: UUID
    version: int
    probability: float
    band: Band
    base: float
    reasons: list[Reason] | None
    model: str
    prior: bool
    contractual: bool
    horizon_days: int
    expected_margin: Decimal
    value_horizon_days: int
    value_model: str
    value_prior: bool
    margin_assumed: bool
    tier: Tier
    stage: Stage
    scored_at: datetime
    told_probability: float
    waiting_profit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """An alert in whatever state; `version` counts its changes, `told_*` is what its last event said."""

    id: UUID
    customer_id: UUID
    state: str
    version: int
    probability: float
    band: Band
    horizon_days: int
    model: str
    scored_at: datetime
    reasons: list[Reason]
    expected_margin: Decimal
    expected_profit: Decimal
    told_probability: float
    told_profit: float
    tier: Tier
    stage: Stage
    assumptions: dict[str, Any]
    recommended: str | None
    from_history: bool
    raised_at: datetime
    assignee: str | None = None
    notes: list[dict[str, Any]] = field(default_factory=list)
    snoozed_until: datetime | None = None
    cleared_at: datetime | None = None
    clear_cause: ClearCause | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether the case is still somebody's to care about."""
        return self.state in ("open", "acted", "snoozed")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """A trained model, without its bytes."""

    id: UUID
    kind: str
    variant: str
    number: int
    state: str
    report: dict[str, Any]
    parameters: dict[str, Any]
    data_hash: str
    sha256: str
    created_at: datetime
    updated_at: datetime
    promoted_at: datetime | None

    @property
    def version(self) -> str:
        """The name it goes by in scores and events."""
        return f"{self.kind}/{self.number}"
