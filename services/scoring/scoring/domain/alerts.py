"""When a churn alert is worth raising, telling again, or over. Decides; stores nothing.

Acting is worth it when probability × expected margin × save rate − action cost reaches the policy's minimum. An alert
opens at `raise_at` and ends below `clear_at`, so that a probability trembling around one bound does not flap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from contracts.event import ReasonCode, Stage, Tier

Outcome = Literal["raise", "update", "clear", "none"]
AlertStatus = Literal["open", "acted", "snoozed", "dismissed", "cleared"]
# A change worth telling the one who works on the alert: ten points, or a third of the profit.
TOLD_PROBABILITY_CHANGE = 0.10
TOLD_PROFIT_SHARE = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """What an installation decides about alerts; money in the reporting currency."""

    save_rate: float = 0.10
    action_cost: float = 1.0
    min_expected_profit: float = 0.0
    raise_at: float = 0.30
    clear_at: float = 0.20
    cool_down_days: int = 30

    def __post_init__(self) -> None:
        """Refuse a policy that contradicts itself."""
        if not 0.0 <= self.clear_at < self.raise_at <= 1.0:
            raise ValueError("clear_at must be below raise_at, both within 0 and 1")
        if not 0.0 <= self.save_rate <= 1.0 or self.action_cost < 0 or self.cool_down_days < 0:
            raise ValueError("save_rate must be a share; action_cost and cool_down_days must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What we believe of a customer now."""

    probability: float
    expected_margin: float
    stage: Stage
    tier: Tier
    top_reason: ReasonCode | None = None
    horizon_days: int = 90
    cancelled: bool = False
    prior: bool = False
    margin_assumed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """A customer's latest alert: `told_*` is what its last event said, `ended_at` when it was cleared or dismissed."""

    status: AlertStatus
    told_probability: float
    told_profit: float
    ended_at: datetime | None = None
    snoozed_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What is to be done. `cause` of a clear is recovered, lost, cancelled or policy; else it says why, or why not."""

    outcome: Outcome
    cause: str
    expected_profit: float
    recommended: str
    assumptions: dict[str, Any]


def expected_profit(belief: Belief, policy: AlertPolicy) -> float:
    """What acting on this customer is expected to bring, in the reporting currency."""
    return belief.probability * max(belief.expected_margin, 0.0) * policy.save_rate - policy.action_cost


def assess(previous: AlertState | None, belief: Belief, policy: AlertPolicy, *, now: datetime) -> Assessment:
    """Compare the belief with the customer's latest alert; `now` is business time."""
    profit = expected_profit(belief, policy)
    outcome: Outcome
    if previous is not None and previous.status in {"open", "acted", "snoozed"}:
        outcome, cause = _follow(previous, belief, policy, profit=profit, now=now)
    else:
        outcome, cause = _consider(previous, belief, policy, profit=profit, now=now)
    return Assessment(
        outcome=outcome, cause=cause, expected_profit=profit, recommended=recommended_action(belief),
        assumptions=assumptions_of(belief, policy),
    )  # fmt: skip


def _follow(
    alert: AlertState, belief: Belief, policy: AlertPolicy, *, profit: float, now: datetime
) -> tuple[Outcome, str]:
    if belief.cancelled:
        return "clear", "cancelled"
    if belief.stage == "lost":
        return "clear", "lost"
    if belief.probability < policy.clear_at:
        return "clear", "recovered"
    # Half the gap to the minimum is the hysteresis in money: what barely paid may barely not pay for a while.
    if profit < policy.min_expected_profit - 0.5 * max(policy.action_cost, 1e-9):
        return "clear", "policy"
    if alert.status == "snoozed" and (alert.snoozed_until is None or now < alert.snoozed_until):
        return "none", "snoozed"
    moved = abs(belief.probability - alert.told_probability) >= TOLD_PROBABILITY_CHANGE
    dearer = abs(profit - alert.told_profit) > TOLD_PROFIT_SHARE * max(abs(alert.told_profit), policy.action_cost)
    return ("update", "changed") if moved or dearer else ("none", "unchanged")


def _consider(
    previous: AlertState | None, belief: Belief, policy: AlertPolicy, *, profit: float, now: datetime
) -> tuple[Outcome, str]:
    if belief.cancelled:
        return "none", "cancelled"
    if belief.stage in {"lost", "prospect"}:
        return "none", belief.stage
    if belief.probability < policy.raise_at:
        return "none", "unlikely"
    if profit <= 0 or profit < policy.min_expected_profit:
        return "none", "not worth it"
    ended = None if previous is None else previous.ended_at
    if ended is not None and now < ended + timedelta(days=policy.cool_down_days):
        return "none", "cool-down"
    return "raise", "worth acting"


def recommended_action(belief: Belief) -> str:
    """The plain advice for a person: by reason first, then by what the customer is worth."""
    if belief.top_reason == "complaint":
        return "Call, apologise and put the complaint right before offering anything"
    if belief.tier in {"diamond", "gold"}:
        return "Call in person, ask what is missing, then offer what fits"
    by_reason: dict[ReasonCode, str] = {
        "price": "Offer a better price or a plan that fits", "contract_end": "Offer a renewal before the contract ends",
        "late_payment": "Offer to settle the open payments in parts", "returns": "Ask what was wrong with the goods",
        "low_usage": "Show what the customer pays for and does not use",
        "new_customer": "Welcome and help with the first steps",
    }  # fmt: skip
    return by_reason.get(belief.top_reason or "other", "Send a reminder with an offer that fits past purchases")


def assumptions_of(belief: Belief, policy: AlertPolicy) -> dict[str, Any]:
    """What the expected profit rests on, to be shown beside it."""
    return {
        "save_rate": policy.save_rate, "action_cost": policy.action_cost, "horizon_days": belief.horizon_days,
        "margin_assumed": belief.margin_assumed, "prior": belief.prior,
    }  # fmt: skip


def worth_first(profits: Sequence[float], *, at_most: int) -> list[int]:
    """Places of the most profitable, at most so many: the first alerts after an import are rationed per day."""
    ranked = sorted(range(len(profits)), key=lambda place: (-profits[place], place))
    return ranked[:at_most]
