"""The rhythm of purchases: distinct purchase days per customer, the gaps between them and the silence since."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.domain.activity import ActivityTable, sum_per_customer

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Per customer, as of one day; NaN where there is nothing to tell. `customer`, `age` are one row a purchase day."""

    customer_count: int
    customer: Integers
    age: Integers
    day_count: Floats
    silence: Floats
    tenure: Floats
    gap_customer: Integers
    gap: Floats
    gap_end_age: Integers

    def days_within(self, window: int, *, skip: int = 0) -> Floats:
        """Purchase days with skip <= age < skip + window."""
        kept = (self.age >= skip) & (self.age < skip + window)
        return np.bincount(self.customer[kept], minlength=self.customer_count).astype(np.float64)

    def weeks_within(self, weeks: int) -> Floats:
        """Of the last `weeks` weeks (counted back from the day), those with a purchase."""
        week = self.age // 7
        kept = week < weeks
        distinct = np.unique(self.customer[kept] * weeks + week[kept])
        return np.bincount(distinct // weeks, minlength=self.customer_count).astype(np.float64)

    def fading_days(self, days: float) -> Floats:
        """Purchase days weighted by exp(-age / days): a count in which old days fade."""
        return sum_per_customer(self.customer, np.exp(-self.age / days), self.customer_count)

    def gap_sum(self, values: Floats) -> Floats:
        """The sum over each customer's gaps of `values`, one value a gap."""
        return sum_per_customer(self.gap_customer, values, self.customer_count)

    def returned_days_ago(self, silence_days: int) -> Floats:
        """Days since the purchase that ended the latest silence longer than `silence_days`; infinite without one."""
        ago = np.full(self.customer_count, np.inf)
        long = self.gap > silence_days
        np.minimum.at(ago, self.gap_customer[long], self.gap_end_age[long].astype(np.float64))
        return ago


def rhythm_of(activity: ActivityTable, as_of: int) -> Rhythm:
    """Read the purchase rhythm from buckets already cut to what was known at the end of `as_of`."""
    bought = activity.column("purchase_count") > 0
    customer, day = activity.customer[bought], activity.day[bought]
    distinct = np.ones(len(customer), np.bool_)
    distinct[1:] = (customer[1:] != customer[:-1]) | (day[1:] != day[:-1])
    customer, day = customer[distinct], day[distinct]
    count = np.bincount(customer, minlength=activity.customer_count)
    end = np.cumsum(count)
    silence, tenure = np.full((2, activity.customer_count), np.nan)
    some = count > 0
    silence[some] = as_of - day[end[some] - 1]
    tenure[some] = as_of - day[end[some] - count[some]]
    follows = customer[1:] == customer[:-1]
    return Rhythm(
        activity.customer_count, customer, as_of - day, count.astype(np.float64), silence, tenure,
        gap_customer=customer[1:][follows], gap=np.diff(day)[follows].astype(np.float64),
        gap_end_age=(as_of - day[1:])[follows],
    )  # fmt: skip


def ordered_gaps(rhythm: Rhythm) -> tuple[Floats, Floats]:
    """(median gap, longest gap) per customer, NaN without a second purchase day."""
    count = np.bincount(rhythm.gap_customer, minlength=rhythm.customer_count)
    ordered = rhythm.gap[np.lexsort((rhythm.gap, rhythm.gap_customer))]
    end = np.cumsum(count)
    median, longest = np.full((2, rhythm.customer_count), np.nan)
    some = count > 0
    start = (end - count)[some]
    median[some] = (ordered[start + (count[some] - 1) // 2] + ordered[start + count[some] // 2]) / 2
    longest[some] = ordered[end[some] - 1]
    return median, longest
