"""Where a customer stands: lifecycle stage by behaviour, value tier by expected margin, and when to look again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.event import Stage, Tier
from scoring.domain.activity import ActivityTable
from scoring.domain.rhythm import rhythm_of

Floats = NDArray[np.float64]
TIERS_UPWARD: tuple[Tier, ...] = ("iron", "silver", "gold", "diamond")
# The best 5 % are diamonds, the next 15 % gold, the next 30 % silver: 20 % of the customers bring most of the margin.
TIER_QUANTILES: tuple[float, float, float] = (0.50, 0.80, 0.95)
NEWCOMER_DAYS = 60
WON_BACK_DAYS = 90
DECLINING_SILENCE = 2.5
DECLINING_SPEND, GROWING_SPEND = 0.5, 1.25
DEFAULT_GAP_DAYS = 30.0


class Evidence(NamedTuple):
    """What a stage rests on, for one customer; None where there is nothing to tell."""

    purchase_days: int
    silence_days: float | None
    usual_gap_days: float | None
    tenure_days: float | None
    spend_90: float
    spend_90_before: float
    returned_days_ago: float | None
    contract: Literal["none", "active", "ended"]


@dataclass(frozen=True, slots=True)
class Standing:
    """A stage with what it rests on, in words."""

    stage: Stage
    because: str


def evidence_of(activity: ActivityTable, as_of: int, *, lost_after_days: int) -> list[Evidence]:
    """One piece of evidence per customer of the table."""
    known = activity.known_at(as_of)
    rhythm, age = rhythm_of(known, as_of), as_of - known.day
    gap_count = rhythm.gap_sum(np.ones_like(rhythm.gap))
    gap = np.divide(rhythm.gap_sum(rhythm.gap), gap_count, out=np.full_like(gap_count, np.nan), where=gap_count > 0)
    columns = (
        rhythm.silence, gap, rhythm.tenure, known.total("purchase_amount", age < 90),
        known.total("purchase_amount", (age >= 90) & (age < 180)), rhythm.returned_days_ago(lost_after_days),
    )  # fmt: skip
    rows = zip(rhythm.day_count.tolist(), *(column.tolist() for column in columns), contracts_of(known), strict=True)
    return [
        Evidence(int(days), _told(silence), _told(usual), _told(tenure), spend, before, _told(ago), contract)
        for days, silence, usual, tenure, spend, before, ago, contract in rows
    ]


def contracts_of(known: ActivityTable) -> list[Literal["none", "active", "ended"]]:
    """Whether each customer is under contract, by the latest subscription or cancellation; of one day, the end wins."""
    latest = {}
    for name in ("subscription_count", "cancellation_count"):
        marked = known.column(name) > 0
        day = np.full(known.customer_count, -(1 << 40), np.int64)
        np.maximum.at(day, known.customer[marked], known.day[marked])
        latest[name] = day.tolist()
    return [
        "none" if max(begun, ended) < -(1 << 39) else ("ended" if ended >= begun else "active")
        for begun, ended in zip(latest["subscription_count"], latest["cancellation_count"], strict=True)
    ]


def stage_of(evidence: Evidence, previous: Stage | None, *, lost_after_days: int) -> Standing:
    """The stage by behaviour; `previous` matters only to tell a return from a first time."""
    if evidence.contract == "ended":
        return Standing("lost", "cancelled the contract")
    silence = evidence.silence_days
    if silence is None:
        return _without_purchase(evidence, previous)
    if silence > lost_after_days and evidence.contract == "none":
        return Standing("lost", f"silent for {silence:.0f} days")
    returned = evidence.returned_days_ago
    if previous == "lost" or (returned is not None and returned <= WON_BACK_DAYS):
        return Standing("won_back", "bought again after having been lost")
    return _among_buyers(evidence, silence)


def _without_purchase(evidence: Evidence, previous: Stage | None) -> Standing:
    if evidence.contract == "none":
        return Standing("prospect", "has never bought")
    if previous in {"lost", "won_back"}:
        return Standing("won_back", "is under contract again")
    return Standing("mature", "is under contract")


def _among_buyers(evidence: Evidence, silence: float) -> Standing:
    tenure, gap = evidence.tenure_days or 0.0, evidence.usual_gap_days or DEFAULT_GAP_DAYS
    spend, before = evidence.spend_90, evidence.spend_90_before
    if silence > max(DECLINING_SILENCE * gap, 14.0) and evidence.contract == "none":
        return Standing("decline", f"silent for {silence:.0f} days; usual gap {gap:.0f}")
    if tenure < NEWCOMER_DAYS:
        return Standing("acquisition", f"first bought {tenure:.0f} days ago")
    if before > 0 and spend < DECLINING_SPEND * before:
        return Standing("decline", f"spent {spend:,.0f} in 90 days, {before:,.0f} in the 90 before")
    if before > 0 and spend > GROWING_SPEND * before:
        return Standing("growth", f"spent {spend:,.0f} in 90 days, {before:,.0f} in the 90 before")
    return Standing("mature" if tenure >= 180 else "growth", f"customer for {tenure:.0f} days")


def tier_thresholds(expected_margin: Floats) -> Floats:
    """The lower bounds of silver, gold and diamond among customers who ever bought; kept with the value model."""
    paying = expected_margin[np.isfinite(expected_margin)]
    return np.quantile(paying, TIER_QUANTILES) if paying.size else np.zeros(len(TIER_QUANTILES))


def tiers_of(expected_margin: Floats, ever_bought: NDArray[np.bool_], thresholds: Floats) -> list[Tier]:
    """A tier per customer; who never bought is a lead, whose margin is none is iron."""
    place = np.searchsorted(thresholds, expected_margin, side="right")
    place[expected_margin <= 0] = 0
    pairs = zip(place.tolist(), ever_bought.tolist(), strict=True)
    return [TIERS_UPWARD[index] if bought else "lead" for index, bought in pairs]


def days_until_next_look(evidence: Sequence[Evidence], *, lost_after_days: int) -> list[int]:
    """Silence is a signal: in how many whole days each customer must be scored again though nothing happened.

    Within the usual gap it is enough to look when the gap is over; beyond it, each eighth of a gap tells more.
    """
    return [_next_look(one, lost_after_days) for one in evidence]


def _next_look(evidence: Evidence, lost_after_days: int) -> int:
    silence = evidence.silence_days
    if silence is None or silence > lost_after_days:
        return 30
    gap = evidence.usual_gap_days or DEFAULT_GAP_DAYS
    wait = gap - silence if silence < gap else gap / 8
    return int(min(7, max(1, np.ceil(wait))))


def _told(value: float) -> float | None:
    return value if np.isfinite(value) else None
