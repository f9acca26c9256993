"""How an alert goes from state to state: pure steps from one row to the next."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from uuid_utils.compat import uuid7

from contracts.event import Money, Reason
from contracts.scoring import ChurnAlertCleared, ChurnAlertRaised, ChurnAlertUpdated
from scoring.domain.alerts import AlertState, Assessment
from scoring.errors import AlertIsClosed
from scoring.models import AlertRow, ClearCause, ScoreRow

_CENT = Decimal("0.01")


def state_of(alert: AlertRow) -> AlertState:
    """What a decision needs of an alert."""
    return AlertState(
        status=alert.state,  # type: ignore[arg-type]
        told_probability=alert.told_probability, told_profit=alert.told_profit,
        ended_at=alert.cleared_at, snoozed_until=alert.snoozed_until,
    )  # fmt: skip


def raised(
    score: ScoreRow, assessment: Assessment, reasons: Sequence[Reason], *, from_history: bool, now: datetime
) -> AlertRow:
    """A new alert."""
    return AlertRow(
        id=uuid7(), customer_id=score.customer_id, state="open", version=1, from_history=from_history, raised_at=now,
        told_probability=score.probability, told_profit=assessment.expected_profit,
        **_beliefs(score, assessment, reasons),
    )  # fmt: skip


def followed(
    alert: AlertRow, score: ScoreRow, assessment: Assessment, reasons: Sequence[Reason], *, tell: bool
) -> AlertRow:
    """The alert with the newest beliefs; `tell` when an event goes out that says so."""
    alert = replace(alert, version=alert.version + 1, **_beliefs(score, assessment, reasons))
    if tell:
        alert = replace(alert, told_probability=score.probability, told_profit=assessment.expected_profit)
    return alert


def _beliefs(score: ScoreRow, assessment: Assessment, reasons: Sequence[Reason]) -> dict[str, Any]:
    return {
        "probability": score.probability, "band": score.band, "horizon_days": score.horizon_days, "model": score.model,
        "scored_at": score.scored_at, "reasons": list(reasons), "expected_margin": score.expected_margin,
        "expected_profit": Decimal(assessment.expected_profit).quantize(_CENT), "tier": score.tier,
        "stage": score.stage, "assumptions": assessment.assumptions, "recommended": assessment.recommended,
    }  # fmt: skip


def awake(alert: AlertRow, now: datetime) -> AlertRow:
    """A snoozed alert whose time is over is open again."""
    if alert.state == "snoozed" and alert.snoozed_until is not None and alert.snoozed_until <= now:
        return replace(alert, state="open", snoozed_until=None, version=alert.version + 1)
    return alert


def cleared(alert: AlertRow, *, cause: ClearCause, at: datetime) -> AlertRow:
    """The alert at its end."""
    state = "dismissed" if cause == "dismissed" else "cleared"
    return replace(alert, state=state, cleared_at=at, clear_cause=cause, snoozed_until=None, version=alert.version + 1)


def dismissed(alert: AlertRow, *, at: datetime) -> AlertRow:
    """The alert closed by a person."""
    return cleared(_still_open(alert), cause="dismissed", at=at)


def assigned(alert: AlertRow, assignee: str | None) -> AlertRow:
    """The alert in somebody's hands, or in nobody's."""
    return replace(_still_open(alert), assignee=assignee, version=alert.version + 1)


def noted(alert: AlertRow, *, author: str, text: str, at: datetime) -> AlertRow:
    """The alert with a note more; closed ones may be noted too."""
    note = {"id": str(uuid7()), "author": author, "text": text, "created_at": at.isoformat()}
    return replace(alert, notes=[*alert.notes, note], version=alert.version + 1)


def snoozed(alert: AlertRow, until: datetime) -> AlertRow:
    """The alert put off."""
    return replace(_still_open(alert), state="snoozed", snoozed_until=until, version=alert.version + 1)


def _still_open(alert: AlertRow) -> AlertRow:
    if not alert.is_open:
        raise AlertIsClosed(f"It was {alert.state} at {alert.cleared_at:%Y-%m-%d %H:%M}; notes may still be added.")
    return alert


def told(kind: type[ChurnAlertRaised] | type[ChurnAlertUpdated], alert: AlertRow, *, currency: str) -> Any:
    """The event that tells of an open alert."""
    return kind(
        customer_id=alert.customer_id, alert_id=alert.id, probability=alert.probability, band=alert.band,
        horizon_days=alert.horizon_days, model=alert.model, scored_at=alert.scored_at,
        expected_margin=Money(amount=alert.expected_margin, currency=currency),
        expected_profit=Money(amount=alert.expected_profit, currency=currency), reasons=alert.reasons,
        tier=alert.tier, stage=alert.stage, assumptions=alert.assumptions, recommended=alert.recommended,
        from_history=alert.from_history, version=alert.version, raised_at=alert.raised_at,
        state=alert.state, snoozed_until=alert.snoozed_until,
    )  # fmt: skip


def told_cleared(alert: AlertRow) -> ChurnAlertCleared:
    """The event that tells of an alert's end."""
    assert alert.cleared_at is not None
    return ChurnAlertCleared(
        customer_id=alert.customer_id, alert_id=alert.id, probability=alert.probability,
        cause=alert.clear_cause,
        cleared_at=alert.cleared_at, version=alert.version,
    )  # fmt: skip
