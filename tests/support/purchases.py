"""Tables of behaviour for tests of scoring: spelt out by hand, or drawn from a population with a known truth."""

from collections.abc import Mapping, Sequence

import numpy as np

from scoring.domain.activity import COLUMN_INDEX, COLUMNS, ActivityTable, Occurrence, increments_of


def table_of(happenings: Mapping[int, Sequence[tuple[int, Occurrence]]], *, customer_count: int = 0) -> ActivityTable:
    """{customer: [(day, what happened), …]} as buckets known on their day."""
    rows = [(customer, day, increments_of(one)) for customer, those in happenings.items() for day, one in those]
    kept = [(customer, day, sums) for customer, day, sums in rows if sums is not None]
    days = [day for _, day, _ in kept]
    count = max(customer_count, max(happenings, default=-1) + 1)
    sums = np.array([sums for _, _, sums in kept]).reshape(len(kept), len(COLUMNS))
    return ActivityTable.build(count, [one for one, _, _ in kept], day=days, known_day=days, sums=sums)


def bought(amount: float = 10.0, *, margin: float | None = None) -> Occurrence:
    """A purchase with a quarter of it margin."""
    return Occurrence(kind="purchase", amount=amount, margin=amount / 4 if margin is None else margin, item_count=1)


def buyers_on(days: Mapping[int, Sequence[int]], *, amount: float = 10.0) -> ActivityTable:
    """{customer: [day, …]} as purchases of one amount."""
    return table_of({customer: [(day, bought(amount)) for day in those] for customer, those in days.items()})


def simulated_buyers(customer_count: int, day_count: int, *, seed: int, leave_rate: float = 0.004) -> ActivityTable:
    """Buyers with rates of their own who leave for good at a constant hazard, and spend around a mean of their own."""
    random = np.random.default_rng(seed)
    rate = random.gamma(2.0, 0.05, customer_count) + 0.01
    start = random.integers(0, day_count // 2, customer_count)
    stays = random.exponential(1 / leave_rate, customer_count)
    ticket = random.gamma(6.0, 5.0, customer_count)
    day = np.arange(day_count)[None, :]
    lives = (day >= start[:, None]) & (day < (start + stays)[:, None])
    buys = (random.random((customer_count, day_count)) < rate[:, None]) & lives
    buys[np.arange(customer_count), start] = True
    customer, days = np.nonzero(buys)
    sums = np.zeros((len(customer), len(COLUMNS)))
    amount = ticket[customer] * random.gamma(4.0, 0.25, len(customer))
    for name, values in (
        ("purchase_count", 1.0),
        ("item_count", 1.0),
        ("purchase_amount", amount),
        ("margin", amount / 4),
    ):
        sums[:, COLUMN_INDEX[name]] = values
    return ActivityTable.build(customer_count, customer, day=days, known_day=days, sums=sums)
