"""The gates a retention action must pass, in a fixed order; each is recorded with what it looked at."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from campaign.domain.playbook import CONSENT_CHANNEL, Case, Offer, Period, Playbook
from campaign.domain.quiet_hours import quiet_until, zone_of

Outcome = Literal["act", "hold_out", "suppressed", "deferred", "expired"]

_PURPOSE = "marketing"
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Gate:
    """One check: its name, whether it let the action pass, and everything it looked at (JSON values)."""

    gate: str
    passed: bool
    inputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the installation decided for all playbooks."""

    news_window: timedelta
    consent_default: str
    time_zone: str
    currency: str


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of the customer and the limits at the moment of deciding; `acted_at` in any order."""

    now: datetime
    offer: Offer | None = None
    consents: Mapping[str, str] = field(default_factory=dict)
    reachable: bool = True
    erased: bool = False
    time_zone: str | None = None
    acted_at: Sequence[datetime] = ()
    spent: Decimal = Decimal(0)

    @property
    def cost(self) -> Decimal:
        """What acting costs."""
        return self.offer.cost if self.offer else Decimal(0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gates came to; `due_at` only where the action waits for a snooze or the quiet hours to end."""

    outcome: Outcome
    gates: tuple[Gate, ...]
    expected_profit: Decimal
    held_out: bool = False
    due_at: datetime | None = None


def pass_gates(playbook: Playbook, case: Case, known: Circumstances, rules: Rules) -> Verdict:
    """Ask every gate, also after one has failed: the decision shows them all, the first failure gives the outcome."""
    profit = expected_profit(case, known.offer)
    gates = (
        _news(case, known, rules),
        _snoozed(case, known),
        _consent(playbook, known, rules),
        _reach(playbook, known),
        _offer(playbook, known),
        _hold_out(playbook, case),
        _cap(playbook, known),
        _quiet_hours(playbook, known, rules),
        _budget(playbook, known, rules),
        _profit(case, known, profit),
    )
    outcome = _outcome(gates)
    return Verdict(
        outcome=outcome,
        gates=gates,
        expected_profit=profit,
        held_out=in_hold_out(playbook.id, case.customer_id, playbook.hold_out_share),
        due_at=_due_at(playbook, case, known, rules) if outcome == "deferred" else None,
    )


def _due_at(playbook: Playbook, case: Case, known: Circumstances, rules: Rules) -> datetime | None:
    """When a deferred action is decided again: after the snooze, whose end may fall into quiet hours."""
    if case.snoozed_until is not None and case.snoozed_until > known.now:
        return case.snoozed_until
    zone = zone_of(known.time_zone, rules.time_zone)
    return quiet_until(playbook.quiet_hours, known.now, zone) if playbook.quiet_hours else None


def no_playbook(case: Case, candidate_count: int) -> Verdict:
    """The verdict on a case that no playbook is meant for."""
    looked_at = {
        "candidates": candidate_count, "stage": case.stage, "tier": case.tier, "reasons": list(case.reasons),
        "probability": case.probability,
    }  # fmt: skip
    return Verdict("suppressed", (Gate("playbook", passed=False, inputs=looked_at),), Decimal(0))


def _outcome(gates: Sequence[Gate]) -> Outcome:
    by_gate: dict[str, Outcome] = {
        "news": "expired", "snoozed": "deferred", "hold_out": "hold_out", "quiet_hours": "deferred",
    }  # fmt: skip
    failed = next((gate for gate in gates if not gate.passed), None)
    return "act" if failed is None else by_gate.get(failed.gate, "suppressed")


def in_hold_out(playbook_id: UUID, customer_id: UUID, share: float) -> bool:
    """Whether a customer belongs to a playbook's control group: the same answer for ever, at any share above."""
    return hold_out_position(playbook_id, customer_id) < share


def hold_out_position(playbook_id: UUID, customer_id: UUID) -> float:
    """A customer's place in [0, 1) under a playbook: uniform, independent between playbooks, never stored."""
    digest = hashlib.sha256(playbook_id.bytes + customer_id.bytes).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def expected_profit(case: Case, offer: Offer | None) -> Decimal:
    """Probability × expected margin × share saved − offer cost, to the cent, in the reporting currency."""
    saved = Decimal(str(case.probability)) * case.expected_margin * Decimal(str(_save_rate(case, offer)))
    return (saved - (offer.cost if offer else Decimal(0))).quantize(_CENT, ROUND_HALF_UP)


def _save_rate(case: Case, offer: Offer | None) -> float:
    if offer is not None and offer.save_rate is not None:
        return offer.save_rate
    return case.save_rate or 0.0


def period_start(now: datetime, period: Period, zone: ZoneInfo) -> date:
    """The first day of the period that a moment falls into; weeks begin on Monday (ISO 8601)."""
    day = now.astimezone(zone).date()
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def _news(case: Case, known: Circumstances, rules: Rules) -> Gate:
    # What a person put off is news again when its time comes.
    since = max(case.scored_at, case.snoozed_until or case.scored_at)
    fresh = not case.backfill and known.now - since <= rules.news_window
    looked_at = {
        "scored_at": case.scored_at.isoformat(), "from_history": case.from_history, "backfill": case.backfill,
        "window_seconds": rules.news_window.total_seconds(),
    }  # fmt: skip
    return Gate("news", passed=fresh, inputs=looked_at)


def _snoozed(case: Case, known: Circumstances) -> Gate:
    until = case.snoozed_until
    passed = until is None or until <= known.now
    return Gate("snoozed", passed=passed, inputs={"until": until and until.isoformat()})


def _consent(playbook: Playbook, known: Circumstances, rules: Rules) -> Gate:
    channel = CONSENT_CHANNEL[playbook.action.channel]
    state = known.consents.get(channel, "unknown")
    granted = (rules.consent_default if state == "unknown" else state) == "granted"
    looked_at = {"channel": channel, "purpose": _PURPOSE, "state": state, "default": rules.consent_default}
    return Gate("consent", passed=granted and not known.erased, inputs=looked_at | {"erased": known.erased})


def _reach(playbook: Playbook, known: Circumstances) -> Gate:
    looked_at = {"channel": playbook.action.channel, "reachable": known.reachable}
    return Gate("reach", passed=known.reachable, inputs=looked_at)


def _offer(playbook: Playbook, known: Circumstances) -> Gate:
    active = known.offer is not None and known.offer.active
    looked_at = {"offer": playbook.action.offer, "active": active}
    return Gate("offer", passed=playbook.action.offer is None or active, inputs=looked_at)


def _hold_out(playbook: Playbook, case: Case) -> Gate:
    position = hold_out_position(playbook.id, case.customer_id)
    looked_at = {"share": playbook.hold_out_share, "position": round(position, 6)}
    return Gate("hold_out", passed=position >= playbook.hold_out_share, inputs=looked_at)


def _cap(playbook: Playbook, known: Circumstances) -> Gate:
    if playbook.cap is None:
        return Gate("frequency_cap", passed=True, inputs={"cap": None})
    since = known.now - timedelta(days=playbook.cap.days)
    count = sum(1 for at in known.acted_at if at > since)
    looked_at = {"cap": {"count": playbook.cap.count, "days": playbook.cap.days}, "action_count": count}
    return Gate("frequency_cap", passed=count < playbook.cap.count, inputs=looked_at)


def _quiet_hours(playbook: Playbook, known: Circumstances, rules: Rules) -> Gate:
    hours = playbook.quiet_hours
    if hours is None:
        return Gate("quiet_hours", passed=True, inputs={"quiet_hours": None})
    zone = zone_of(known.time_zone, rules.time_zone)
    until = quiet_until(hours, known.now, zone)
    looked_at = {
        "quiet_hours": {"from": f"{hours.start:%H:%M}", "to": f"{hours.end:%H:%M}"}, "time_zone": zone.key,
        "local_time": f"{known.now.astimezone(zone):%H:%M}", "until": until and until.isoformat(),
    }  # fmt: skip
    return Gate("quiet_hours", passed=until is None, inputs=looked_at)


def _budget(playbook: Playbook, known: Circumstances, rules: Rules) -> Gate:
    budget = playbook.budget
    if budget is None:
        return Gate("budget", passed=True, inputs={"budget": None})
    start = period_start(known.now, budget.period, ZoneInfo(rules.time_zone))
    looked_at = {
        "budget": format(budget.amount, "f"), "spent": format(known.spent, "f"), "cost": format(known.cost, "f"),
        "currency": rules.currency, "period": budget.period, "period_start": start.isoformat(),
    }  # fmt: skip
    return Gate("budget", passed=known.spent + known.cost <= budget.amount, inputs=looked_at)


def _profit(case: Case, known: Circumstances, profit: Decimal) -> Gate:
    looked_at = {
        "probability": case.probability, "expected_margin": format(case.expected_margin, "f"),
        "save_rate": _save_rate(case, known.offer), "cost": format(known.cost, "f"),
        "expected_profit": format(profit, "f"),
    }  # fmt: skip
    return Gate("expected_profit", passed=profit > 0, inputs=looked_at)
