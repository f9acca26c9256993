"""A customer's behaviour as additive daily buckets, so that order of arrival never matters.

A bucket is (customer, day, known_day) with sums. `day` is when it happened, `known_day` when we learnt of it, so what
was known at the end of any past day can be told exactly. Days are whole numbers since 1970-01-01 (UTC).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.event import OWN_TOUCHES

COLUMNS: tuple[str, ...] = (
    "purchase_count", "purchase_amount", "margin", "discount", "item_count", "return_count", "return_amount",
    "complaint_count", "severe_complaint_count", "praise_count", "contact_count", "visit_count", "usage_count",
    "payment_count", "late_days_sum", "rating_sum", "rating_count", "subscription_count", "cancellation_count",
)  # fmt: skip
COLUMN_INDEX: dict[str, int] = {name: index for index, name in enumerate(COLUMNS)}
_EPOCH = date(1970, 1, 1)
_COUNT_OF_KIND: dict[str, str] = {
    "purchase": "purchase_count", "return": "return_count", "complaint": "complaint_count", "praise": "praise_count",
    "contact": "contact_count", "visit": "visit_count", "usage": "usage_count", "payment": "payment_count",
    "subscription": "subscription_count", "cancellation": "cancellation_count",
}  # fmt: skip
# The customer did it, or said it, of their own will; an invoice we wrote is none.
SIGNS_OF_LIFE: tuple[str, ...] = (
    "purchase_count", "return_count", "complaint_count", "praise_count", "contact_count", "visit_count",
    "usage_count", "payment_count", "rating_count", "subscription_count",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """The part of an interaction that behaviour is made of; money in the reporting currency, discount positive."""

    kind: str
    amount: float = 0.0
    margin: float = 0.0
    discount: float = 0.0
    item_count: int = 0
    severity: str | None = None
    days_late: float | None = None
    rating: float | None = None


def day_number(at: date | datetime) -> int:
    """The whole days since 1970-01-01 of a date, or of an aware time in UTC."""
    if isinstance(at, datetime):
        at = at.astimezone(UTC).date()
    return (at - _EPOCH).days


def date_of(day: int) -> date:
    """The inverse of `day_number`."""
    return _EPOCH + timedelta(days=int(day))


def bucket_days(occurred_at: datetime, known_at: datetime, *, backfill: bool) -> tuple[int, int]:
    """(day, known_day) of an interaction; imported history counts as known when it happened."""
    day = day_number(occurred_at)
    return day, day if backfill else max(day, day_number(known_at))


def increments_of(occurrence: Occurrence) -> tuple[float, ...] | None:
    """What one interaction adds to its bucket, in the order of COLUMNS; None for our own touches, which never count."""
    if occurrence.kind in OWN_TOUCHES:
        return None
    sums = dict.fromkeys(COLUMNS, 0.0)
    if counted := _COUNT_OF_KIND.get(occurrence.kind):
        sums[counted] = 1.0
    sums["margin"] = occurrence.margin
    if occurrence.kind == "purchase":
        sums["purchase_amount"] = occurrence.amount
        sums["discount"] = abs(occurrence.discount)
        sums["item_count"] = float(occurrence.item_count)
    elif occurrence.kind == "return":
        sums["return_amount"] = abs(occurrence.amount)
    elif occurrence.kind == "complaint" and occurrence.severity == "high":
        sums["severe_complaint_count"] = 1.0
    if occurrence.days_late is not None:
        sums["late_days_sum"] = max(occurrence.days_late, 0.0)
    if occurrence.rating is not None:
        sums["rating_sum"], sums["rating_count"] = occurrence.rating, 1.0
    return tuple(sums.values())


@dataclass(frozen=True, slots=True)
class ActivityTable:
    """Buckets of customers 0 … customer_count-1 as columns, sorted by customer, day, known_day."""

    customer_count: int
    customer: NDArray[np.int64]
    day: NDArray[np.int64]
    known_day: NDArray[np.int64]
    sums: NDArray[np.float64]

    @classmethod
    def build(
        cls, customer_count: int, customer: ArrayLike, *, day: ArrayLike, known_day: ArrayLike, sums: ArrayLike
    ) -> Self:
        """Sort and check plain columns; `sums` is (rows, len(COLUMNS)). Equal keys may repeat: sums add up."""
        customers, days = np.asarray(customer, np.int64), np.asarray(day, np.int64)
        known = np.asarray(known_day, np.int64)
        values = np.asarray(sums, np.float64).reshape(len(customers), len(COLUMNS))
        if customers.size and not (customers.min() >= 0 and customers.max() < customer_count):
            raise ValueError("a customer index lies outside 0 … customer_count-1")
        order = np.lexsort((known, days, customers))
        return cls(customer_count, customers[order], days[order], known[order], values[order])

    def known_at(self, as_of: int) -> Self:
        """Only what had happened and was known at the end of the day `as_of`."""
        kept = (self.day <= as_of) & (self.known_day <= as_of)
        if kept.all():
            return self
        return type(self)(
            self.customer_count, self.customer[kept], self.day[kept], self.known_day[kept], self.sums[kept]
        )

    def column(self, name: str) -> NDArray[np.float64]:
        """One column of sums, a value a row."""
        return self.sums[:, COLUMN_INDEX[name]]

    def total(self, name: str, rows: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """The sum of a column per customer, over all rows or those marked."""
        customer, column = self.customer, self.column(name)
        if rows is not None:
            customer, column = customer[rows], column[rows]
        return sum_per_customer(customer, column, self.customer_count)

    @property
    def first_day(self) -> int:
        """The first day anything happened."""
        return int(self.day.min())

    @property
    def last_day(self) -> int:
        """The last day anything happened."""
        return int(self.day.max())


def sum_per_customer(
    customer: NDArray[np.int64], values: NDArray[np.float64], customer_count: int
) -> NDArray[np.float64]:
    """Add up values by customer, always as floats (an empty bincount would be whole numbers)."""
    return np.bincount(customer, weights=values, minlength=customer_count).astype(np.float64, copy=False)
