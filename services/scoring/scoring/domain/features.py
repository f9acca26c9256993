"""What is known of a customer's behaviour at the end of a day, as numbers, each with its reason code and its words.

Features are a pure function of (buckets, as of): no later bucket and nothing learnt later can move them, and windows
age by themselves. A customer's row does not depend on who else is in the batch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.event import ReasonCode
from scoring.domain.activity import ActivityTable, sum_per_customer
from scoring.domain.rhythm import Rhythm, ordered_gaps, rhythm_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """One column: `text` is filled with the customer's own numbers by feature name, `plain` where one is missing."""

    name: str
    reason: ReasonCode
    text: str
    plain: str = ""


_ONLY_DAY = "{days_since_last_purchase:.0f} days since the only day with a purchase"
FEATURES: tuple[Feature, ...] = (
    Feature(
        "days_since_last_purchase", "silence",
        "{days_since_last_purchase:.0f} days since the last purchase; usual gap {usual_gap:.0f}",
        _ONLY_DAY,
    ),
    Feature(
        "silence_over_usual_gap", "silence",
        "{days_since_last_purchase:.0f} days since the last purchase; usual gap {usual_gap:.0f}", _ONLY_DAY,
    ),
    Feature(
        "silence_over_longest_gap", "silence",
        "silent for {silence_over_longest_gap:.0%} of the longest gap so far", _ONLY_DAY,
    ),
    Feature(
        "longer_gap_share", "silence",
        "{longer_gap_share:.0%} of the earlier gaps were longer than these {days_since_last_purchase:.0f} days",
        _ONLY_DAY,
    ),
    Feature("usual_gap", "silence", "usual gap between purchases: {usual_gap:.1f} days", _ONLY_DAY),
    Feature(
        "median_gap", "silence",
        "half of the gaps between purchases are over {median_gap:.0f} days", _ONLY_DAY,
    ),
    Feature(
        "gap_spread", "silence",
        "time between purchases varies by {gap_spread:.0f} days",
        "{days_since_last_purchase:.0f} days since the last purchase; fewer than three days with one so far",
    ),
    Feature(
        "quiet_share_30", "silence",
        "{quiet_share_30:.0%} of the time so far in silences of over 30 days", "no purchase yet",
    ),
    Feature(
        "quiet_share_60", "silence",
        "{quiet_share_60:.0%} of the time so far in silences of over 60 days", "no purchase yet",
    ),
    Feature("purchase_days_14", "fewer_visits", "bought on {purchase_days_14:.0f} of the last 14 days"),
    Feature("purchase_days_28", "fewer_visits", "bought on {purchase_days_28:.0f} of the last 28 days"),
    Feature("purchase_days_60", "fewer_visits", "bought on {purchase_days_60:.0f} of the last 60 days"),
    Feature("purchase_days_90", "fewer_visits", "bought on {purchase_days_90:.0f} of the last 90 days"),
    Feature("active_weeks_12", "fewer_visits", "bought in {active_weeks_12:.0f} of the last 12 weeks"),
    Feature("recent_purchase_days", "fewer_visits", "bought on {purchase_days_28:.0f} of the last 28 days"),
    Feature("steady_purchase_days", "fewer_visits", "bought on {purchase_days_90:.0f} of the last 90 days"),
    Feature(
        "visit_trend", "fewer_visits",
        "bought on {purchase_days_28:.0f} of the last 28 days, on {purchase_days_90:.0f} of the last 90",
    ),
    Feature("expected_purchases_30", "fewer_visits", "purchases expected in 30 days: {expected_purchases_30:.1f}"),
    Feature("spend_28", "falling_spend", "spent {spend_28:,.0f} in the last 28 days"),
    Feature("spend_90", "falling_spend", "spent {spend_90:,.0f} in the last 90 days"),
    Feature("spend_180", "falling_spend", "spent {spend_180:,.0f} in the last 180 days"),
    Feature("recent_spend", "falling_spend", "spent {spend_90:,.0f} in the last 90 days"),
    Feature("spend_trend", "falling_spend", "spent {spend_28:,.0f} in the last 28 days, {spend_90:,.0f} in 90"),
    Feature("average_ticket", "falling_spend", "spends {average_ticket:,.2f} a purchase day", "no purchase yet"),
    Feature("discount_share_90", "price", "{discount_share_90:.0%} discount in the last 90 days", "no recent purchase"),
    Feature(
        "items_per_purchase", "other",
        "buys {items_per_purchase:.1f} products on a shopping day", "no purchase yet",
    ),
    Feature("return_share", "returns", "{return_share:.0%} of spending was returned", "no purchase yet"),
    Feature("returns_90", "returns", "returns in the last 90 days: {returns_90:.0f}"),
    Feature("complaints_90", "complaint", "complaints in the last 90 days: {complaints_90:.0f}"),
    Feature("severe_complaints_180", "complaint", "severe complaints in half a year: {severe_complaints_180:.0f}"),
    Feature("average_rating_180", "complaint", "rates us {average_rating_180:.1f} on average", "never rated us lately"),
    Feature("late_days_180", "late_payment", "paid {late_days_180:.0f} days late in the last 180 days"),
    Feature("usage_28", "low_usage", "uses in the last 28 days: {usage_28:.0f}"),
    Feature("usage_trend", "low_usage", "uses in the last 28 days: {usage_28:.0f}"),
    Feature("contacts_90", "other", "contacts and visits in the last 90 days: {contacts_90:.0f}"),
    Feature("purchase_days", "new_customer", "purchase days so far: {purchase_days:.0f}"),
)  # fmt: skip
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
FEATURE_INDEX: dict[str, int] = {name: index for index, name in enumerate(FEATURE_NAMES)}


def compute_features(activity: ActivityTable, as_of: int) -> Floats:
    """(customers, features) at the end of day `as_of`; NaN where a number would mean nothing."""
    known = activity.known_at(as_of)
    rhythm = rhythm_of(known, as_of)
    columns = _silence(rhythm) | _visits(rhythm) | _spending(known, rhythm, as_of) | _service(known, as_of)
    columns["purchase_days"] = rhythm.day_count
    return np.column_stack([columns[name] for name in FEATURE_NAMES])


def _silence(rhythm: Rhythm) -> dict[str, Floats]:
    count = rhythm.gap_sum(np.ones_like(rhythm.gap))
    usual = _share(rhythm.gap_sum(rhythm.gap), count)
    spread = np.sqrt(np.maximum(_share(rhythm.gap_sum(rhythm.gap**2), count) - usual**2, 0.0))
    median, longest = ordered_gaps(rhythm)
    longer = rhythm.gap_sum((rhythm.gap > rhythm.silence[rhythm.gap_customer]).astype(np.float64))
    return {
        "days_since_last_purchase": rhythm.silence,
        "silence_over_usual_gap": rhythm.silence / usual,
        "silence_over_longest_gap": rhythm.silence / longest,
        # Half a gap is added on either side, so that one gap does not decide.
        "longer_gap_share": np.where(count > 0, (longer + 0.5) / (count + 1.0), np.nan),
        "usual_gap": usual,
        "median_gap": median,
        "gap_spread": np.where(count > 1, spread, np.nan),
        "quiet_share_30": _quiet_share(rhythm, 30),
        "quiet_share_60": _quiet_share(rhythm, 60),
    }


def _quiet_share(rhythm: Rhythm, days: int) -> Floats:
    """The share of the time since the first purchase spent in silences already longer than `days`."""
    quiet = rhythm.gap_sum(np.maximum(rhythm.gap - days, 0.0)) + np.maximum(rhythm.silence - days, 0.0)
    return quiet / (rhythm.tenure + 1.0)


def _visits(rhythm: Rhythm) -> dict[str, Floats]:
    columns = {f"purchase_days_{window}": rhythm.days_within(window) for window in (14, 28, 60, 90)}
    return columns | {
        "active_weeks_12": rhythm.weeks_within(12),
        "recent_purchase_days": rhythm.fading_days(20.0),
        "steady_purchase_days": rhythm.fading_days(80.0),
        "expected_purchases_30": _expected_purchases(rhythm),
        "visit_trend": np.log1p(columns["purchase_days_28"]) - np.log1p(rhythm.days_within(56, skip=28) / 2),
    }


def _expected_purchases(rhythm: Rhythm) -> Floats:
    """A rate of the coming 30 days by the form of BG/NBD with round parameters (r .5, alpha 30 days, a .5, b 2).

    A regular's silence lowers it more than a rare buyer's. Parameters of the installation are the value model's.
    """
    repeats, silence = np.maximum(rhythm.day_count - 1, 0), np.nan_to_num(rhythm.silence)
    age = np.nan_to_num(rhythm.tenure) + 30.0
    late = np.exp(np.minimum((0.5 + repeats) * np.log(age / (age - silence)), 500.0)) * (repeats > 0)
    alive = 1.0 / (1.0 + 0.5 / (2.0 + np.maximum(repeats - 1, 0)) * late)
    return np.where(rhythm.day_count > 0, 30.0 * (0.5 + repeats) / age * alive, 0.0)


def _spending(known: ActivityTable, rhythm: Rhythm, as_of: int) -> dict[str, Floats]:
    age = as_of - known.day
    spend, spend_28, spend_90, spend_180 = (
        known.total("purchase_amount", age < days) for days in (1 << 40, 28, 90, 180)
    )
    before = known.total("purchase_amount", (age >= 28) & (age < 84))
    fading = known.column("purchase_amount") * np.exp(-age / 60.0)
    discount = known.total("discount", age < 90)
    return {
        "spend_28": spend_28,
        "spend_90": spend_90,
        "spend_180": spend_180,
        "recent_spend": sum_per_customer(known.customer, fading, known.customer_count),
        "spend_trend": np.log1p(np.maximum(spend_28, 0)) - np.log1p(np.maximum(before, 0) / 2),
        "average_ticket": _share(spend, rhythm.day_count),
        "discount_share_90": _share(discount, spend_90 + discount),
        "items_per_purchase": _share(known.total("item_count"), rhythm.day_count),
        "return_share": _share(known.total("return_amount"), spend),
        "returns_90": known.total("return_count", age < 90),
    }


def _service(known: ActivityTable, as_of: int) -> dict[str, Floats]:
    age = as_of - known.day
    usage = known.total("usage_count", age < 28)
    rated = known.total("rating_count", age < 180)
    return {
        "complaints_90": known.total("complaint_count", age < 90),
        "severe_complaints_180": known.total("severe_complaint_count", age < 180),
        "average_rating_180": _share(known.total("rating_sum", age < 180), rated),
        "late_days_180": known.total("late_days_sum", age < 180),
        "usage_28": usage,
        "usage_trend": np.log1p(usage) - np.log1p(known.total("usage_count", (age >= 28) & (age < 84)) / 2),
        "contacts_90": known.total("contact_count", age < 90) + known.total("visit_count", age < 90),
    }


def _share(part: Floats, whole: Floats) -> Floats:
    """Part / whole, NaN where there is no whole."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
