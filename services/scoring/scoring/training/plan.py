"""Which days to learn from: the horizon, the cuts, and who is in the population, from the range of the data alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.domain.activity import ActivityTable
from scoring.domain.rhythm import rhythm_of

HORIZONS = (28, 42, 60, 90, 120)
MOST_CUTS = 5
CUT_STEP_DAYS = 30


class TooLittleHistory(ValueError):
    """The data do not reach back far enough to learn from; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """`cuts` are the days as of which features are taken; a customer left who buys nothing in the horizon after one.

    `population_days` admits who bought in so many days before the cut; None admits whoever bought before.
    """

    horizon_days: int
    cuts: tuple[int, ...]
    population_days: int | None = 90

    def check(self, last_day: int) -> None:
        """Refuse label windows that reach past what is known (embargo)."""
        if not self.cuts:
            raise TooLittleHistory("no cut fits into the data: more history is needed")
        if max(self.cuts) + self.horizon_days > last_day:
            raise ValueError("the label window of the last cut reaches past the last known day")


def plan_training(
    activity: ActivityTable, known_until: int, *, horizon_days: int | None = None, population_days: int | None = 90
) -> TrainingPlan:
    """Up to five cuts a month apart, the latest with its label window complete on the day `known_until`.

    Each cut keeps at least a horizon (and 60 days) of history before it.
    """
    horizon = horizon_days or choose_horizon(activity, known_until)
    latest = known_until - horizon
    earliest = activity.first_day + max(horizon, 60)
    cuts = [latest - CUT_STEP_DAYS * step for step in range(MOST_CUTS)]
    kept = tuple(sorted(cut for cut in cuts if cut >= earliest))
    if not kept:
        needed = horizon + max(horizon, 60)
        raise TooLittleHistory(f"{needed} days of purchases are needed for a horizon of {horizon} days")
    return TrainingPlan(horizon_days=horizon, cuts=kept, population_days=population_days)


def plan_before(test_cut: int, train_cuts: Sequence[int], *, horizon_days: int) -> TrainingPlan:
    """A plan whose cuts all end their label windows by `test_cut`; others are refused, not dropped."""
    plan = TrainingPlan(horizon_days=horizon_days, cuts=tuple(sorted(train_cuts)))
    plan.check(test_cut)
    return plan


def choose_horizon(activity: ActivityTable, known_until: int) -> int:
    """The shortest offered horizon that covers gaps holding four fifths of the time: shorter calls a pause a loss.

    A day falls into a long gap more often than into a short one, so gaps are weighted by length; the horizon stays
    within a quarter of the data.
    """
    rhythm = rhythm_of(activity.known_at(known_until), known_until)
    room = (known_until - activity.first_day) / 4
    offered = [days for days in HORIZONS if days <= room] or [HORIZONS[0]]
    if not rhythm.gap.size:
        return offered[0]
    within = [float(rhythm.gap[rhythm.gap <= days].sum() / rhythm.gap.sum()) for days in offered]
    return next((days for days, share in zip(offered, within, strict=True) if share >= 0.8), offered[-1])


def labels_after(activity: ActivityTable, cut: int, horizon_days: int) -> NDArray[np.float64]:
    """1 for a customer without a purchase in the days cut+1 … cut+horizon."""
    window = (activity.day > cut) & (activity.day <= cut + horizon_days)
    absent: NDArray[np.float64] = (activity.total("purchase_count", window) == 0).astype(np.float64)
    return absent
