"""What a customer is worth: the expected margin over a horizon, discounted. Serving needs numpy only.

Buyers without contract: BG/NBD for how often (Fader, Hardie & Lee, Marketing Science 24(2), 2005) times Gamma-Gamma for
how much (Fader & Hardie, note 025, 2013). Where that fit is degenerate or there is too little to fit: the past margin
rate, shrunk to the mean of all, while the customer is not lost. Under contract: monthly margin until the expected end.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from scoring.domain.activity import ActivityTable
from scoring.domain.rhythm import rhythm_of

Floats = NDArray[np.float64]
ValueForm = Literal["bg_nbd", "past_rate"]
DEFAULT_HORIZON_DAYS = 365
DEFAULT_ANNUAL_DISCOUNT = 0.10
_SERIES_BOUNDS = (0.5, 0.9, 0.99, 0.999)
_SERIES_CELLS = 1_000_000
_DISCOUNT_PIECES = 4


@dataclass(frozen=True, slots=True)
class Summary:
    """Per customer, in days: x repeat purchase days, t_x from the first to the last, T from the first to now.

    `margin` is per purchase day, netted of returns and costs; `bought` marks those who ever did, the rest are zeros.
    """

    x: Floats
    t_x: Floats
    T: Floats
    margin: Floats
    bought: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PurchaseModel:
    """BG/NBD parameters; alpha in days."""

    r: float
    alpha: float
    a: float
    b: float

    def expected_purchases(self, summary: Summary, days: float) -> Floats:
        """Purchase days in the coming days, eq. (10) of the paper."""
        x, age = summary.x, summary.T
        a, b = (value + 1e-9 if value == 1.0 else value for value in (self.a, self.b))
        reach = np.minimum(days / (self.alpha + age + days), _SERIES_BOUNDS[-1])
        # Euler's transformation (DLMF 15.8.1) leaves two constants and takes in the factor before the paper's 2F1.
        series = hypergeometric(a + b - 1 - self.r, a - 1, a + b + x - 1, reach)
        while_alive = (a + b + x - 1) / (a - 1) * (1 - np.exp((a - 1) * np.log1p(-reach)) * series)
        return np.maximum(while_alive, 0.0) * self.alive(summary)

    def alive(self, summary: Summary) -> Floats:
        """P(alive); 1 by construction for one-time buyers, so never a measure of churn."""
        x = summary.x
        late = (self.r + x) * np.log((self.alpha + summary.T) / (self.alpha + summary.t_x))
        ratio = np.exp(np.minimum(late, 700.0))
        return np.where(x > 0, 1 / (1 + self.a / (self.b + np.maximum(x, 1) - 1) * ratio), 1.0)


@dataclass(frozen=True, slots=True)
class MarginModel:
    """Gamma-Gamma parameters, and the plain mean used where they could not be fitted."""

    p: float
    q: float
    gamma: float
    mean: float
    fitted: bool

    def expected_margin(self, summary: Summary) -> Floats:
        """Margin of a coming purchase day: the customer's own mean drawn to the mean of all."""
        if not self.fitted:
            weight = (summary.x + 1) / (summary.x + 4)
            return np.where(summary.bought, weight * summary.margin + (1 - weight) * self.mean, 0.0)
        # Whose margin is not positive stands outside the model; the mean of all would flatter them.
        m, count = summary.margin, summary.x + 1
        expected = self.p * (self.gamma + count * m) / (self.p * count + self.q - 1)
        return np.where(summary.bought, np.where(m > 0, expected, m), 0.0)


@dataclass(frozen=True, slots=True)
class ValueModel:
    """Expected margin per customer, with the bounds of the value tiers found when it was trained."""

    form: ValueForm
    purchases: PurchaseModel
    margin: MarginModel
    horizon_days: int
    annual_discount: float
    tier_bounds: Floats
    mean_daily_margin: float

    def expected_margin(self, activity: ActivityTable, as_of: int) -> Floats:
        """The discounted margin of the coming horizon per customer of the table; 0 for who never bought."""
        summary = summarise(activity, as_of)
        if self.form == "past_rate":
            return past_rate_margin(summary, self.horizon_days, mean_daily_margin=self.mean_daily_margin)
        return self.margin.expected_margin(summary) * self.discounted_purchases(summary)

    def discounted_purchases(self, summary: Summary) -> Floats:
        """Expected purchase days of the horizon, each piece of it discounted by its middle."""
        ends = np.linspace(0, self.horizon_days, _DISCOUNT_PIECES + 1)
        total, before = np.zeros_like(summary.x), np.zeros_like(summary.x)
        for start, end in pairwise(ends.tolist()):
            upto = self.purchases.expected_purchases(summary, end)
            total += (upto - before) * (1 + self.annual_discount) ** (-(start + end) / 2 / 365)
            before = upto
        return np.where(summary.bought, total, 0.0)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays, to be stored in an artefact."""
        purchases, margin = self.purchases, self.margin
        return {
            "form": np.array(self.form),
            "purchases": np.array([purchases.r, purchases.alpha, purchases.a, purchases.b]),
            "margin": np.array([margin.p, margin.q, margin.gamma, margin.mean, float(margin.fitted)]),
            "terms": np.array([self.horizon_days, self.annual_discount, self.mean_daily_margin]),
            "tier_bounds": self.tier_bounds,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `to_arrays`."""
        p, q, gamma, mean, fitted = arrays["margin"].tolist()
        horizon, discount, daily = arrays["terms"].tolist()
        form: ValueForm = "bg_nbd" if str(arrays["form"]) == "bg_nbd" else "past_rate"
        return cls(
            form, PurchaseModel(*arrays["purchases"].tolist()), MarginModel(p, q, gamma, mean, bool(fitted)),
            int(horizon), discount, arrays["tier_bounds"], daily,
        )  # fmt: skip


def prior_value_model() -> ValueModel:
    """Until a value model is trained: the past rate, and tiers by round sums of margin a year."""
    unknown = MarginModel(1.0, 2.0, 1.0, 0.0, fitted=False)
    bounds = np.array([50.0, 200.0, 1000.0])
    return ValueModel(
        "past_rate",
        PurchaseModel(1.0, 1.0, 1.0, 2.0),
        unknown,
        DEFAULT_HORIZON_DAYS,
        DEFAULT_ANNUAL_DISCOUNT,
        bounds,
        0.0,
    )


def summarise(activity: ActivityTable, as_of: int) -> Summary:
    """Purchases of one day are one; T runs from the first purchase; margins hold every interaction's."""
    known = activity.known_at(as_of)
    rhythm = rhythm_of(known, as_of)
    bought = rhythm.day_count > 0
    age, silence = np.nan_to_num(rhythm.tenure), np.nan_to_num(rhythm.silence)
    return Summary(
        x=np.maximum(rhythm.day_count - 1, 0), t_x=age - silence, T=age,
        margin=known.total("margin") / np.maximum(rhythm.day_count, 1), bought=bought,
    )  # fmt: skip


def past_rate_margin(summary: Summary, days: float, *, mean_daily_margin: float) -> Floats:
    """The margin a day so far, drawn to the mean of all by 90 days, fading with silence beyond twice the usual gap."""
    total = summary.margin * (summary.x + 1)
    rate = (total + 90 * mean_daily_margin) / (summary.T + 90)
    gap = (summary.t_x + 60) / (summary.x + 1)
    overdue = np.maximum(summary.T - summary.t_x - 2 * gap, 0) / (2 * gap)
    return np.where(summary.bought, rate * np.exp(-overdue) * days, 0.0)


def contract_margin(monthly_margin: Floats, monthly_leave: Floats, *, horizon_days: int = 365) -> Floats:
    """Under contract: the monthly margin times the months a customer of that monthly leave probability stays on."""
    months = horizon_days * 12 / 365
    stay = 1 - np.clip(monthly_leave, 1e-9, 1.0)
    discounted = stay * (1 + DEFAULT_ANNUAL_DISCOUNT) ** (-1 / 12)
    value: Floats = monthly_margin * discounted * (1 - discounted**months) / (1 - discounted)
    return value


def hypergeometric(a: float, b: float, c: Floats, z: Floats) -> Floats:
    """Gauss's 2F1(a, b; c; z) for 0 <= z < 1 by its series (DLMF 15.2.1), a value per (c, z).

    The number of terms follows from z alone, so a row's value does not depend on the rows around it.
    """
    result = np.empty_like(z)
    lower = -1.0
    for upper in _SERIES_BOUNDS:
        rows = np.flatnonzero((z > lower) & (z <= upper))
        lower = upper
        n = np.arange(math.ceil(math.log(1e-14) / math.log(upper)), dtype=np.float64)
        for chunk in np.split(rows, range(0, len(rows), max(1, _SERIES_CELLS // len(n))))[1:]:
            ratio = (a + n) * (b + n) / ((c[chunk, None] + n) * (n + 1)) * z[chunk, None]
            result[chunk] = 1 + np.cumprod(ratio, axis=1).sum(axis=1)
    return result
