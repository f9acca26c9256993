"""Purchase lines in columns, divided at a cut: the past as a file to import, the future as live days."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from standalone.demo.dataset import Body, LiveDay, days_between

# The columns every prepared table has.
CUSTOMER, BASKET, AT, KIND, PRODUCT, CATEGORY, QUANTITY, AMOUNT, DISCOUNT = (
    "customer", "basket", "at", "kind", "product", "category", "quantity", "amount", "discount",
)  # fmt: skip

MAPPING = {
    "source_id": BASKET, "customer": CUSTOMER, "occurred_at": AT, "kind": KIND, "lines.product": PRODUCT,
    "lines.category": CATEGORY, "lines.quantity": QUANTITY, "lines.amount": AMOUNT, "lines.discount": DISCOUNT,
}  # fmt: skip


@dataclass(frozen=True)
class Channelled:
    """Where the purchases came in and what they were paid in."""

    source: str
    channel: str
    currency: str


def write_past(lines: pa.Table, cut: date, path: Path) -> None:
    """Write the lines before the cut as Parquet, in order of time and purchase."""
    past = lines.filter(pc.less(lines[AT], pa.scalar(naive(cut), lines[AT].type)))
    pq.write_table(past.sort_by([(AT, "ascending"), (BASKET, "ascending")]), path)


def live_days(lines: pa.Table, cut: date, count: int, where: Channelled) -> list[LiveDay]:
    """The purchases of `count` days from the cut on, as the bodies a shop would post."""
    after = pc.greater_equal(lines[AT], pa.scalar(naive(cut), lines[AT].type))
    before = pc.less(lines[AT], pa.scalar(naive(cut + timedelta(days=count)), lines[AT].type))
    rows = lines.filter(pc.and_(after, before)).sort_by([(AT, "ascending"), (BASKET, "ascending")]).to_pylist()
    baskets: dict[str, Body] = {}
    for row in rows:
        body = baskets.get(row[BASKET])
        if body is None:
            body = baskets[row[BASKET]] = _body(row, where)
        body["lines"].append(_line(row))
    by_day: dict[str, list[Body]] = {}
    for body in baskets.values():
        total = sum(float(line["amount"]) for line in body["lines"])
        body["amount"] = {"amount": f"{total:.2f}", "currency": where.currency}
        by_day.setdefault(body["occurred_at"][:10], []).append(body)
    return [LiveDay(day, by_day.get(day.isoformat(), [])) for day in days_between(cut, count)]


def left_after(lines: pa.Table, cut: date, *, active_days: int, horizon_days: int) -> dict[str, bool]:
    """Who bought in the days before the cut, and whether nothing followed within the horizon."""
    bought = lines.filter(pc.equal(lines[KIND], "purchase"))
    start = pc.greater_equal(bought[AT], pa.scalar(naive(cut - timedelta(days=active_days)), bought[AT].type))
    past = pc.less(bought[AT], pa.scalar(naive(cut), bought[AT].type))
    end = pc.less(bought[AT], pa.scalar(naive(cut + timedelta(days=horizon_days)), bought[AT].type))
    active = set(bought.filter(pc.and_(start, past))[CUSTOMER].unique().to_pylist())
    came_back = set(bought.filter(pc.and_(pc.invert(past), end))[CUSTOMER].unique().to_pylist())
    return {customer: customer not in came_back for customer in active}


def midnight(day: date) -> datetime:
    """When a day begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def naive(day: date) -> datetime:
    """When a day begins, in the zone of columns that have none."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the columns compared with have no zone


def _body(row: dict[str, Any], where: Channelled) -> Body:
    return {
        "source": where.source,
        "source_id": row[BASKET],
        "customer": {"source": where.source, "external_id": row[CUSTOMER]},
        "channel": where.channel,
        "direction": "inbound",
        "kind": row[KIND],
        "occurred_at": row[AT].replace(tzinfo=UTC).isoformat(),
        "lines": [],
    }


def _line(row: dict[str, Any]) -> Body:
    line = {"product": row[PRODUCT], "quantity": str(row[QUANTITY]), "amount": f"{row[AMOUNT]:.2f}"}
    if row[CATEGORY] is not None:
        line["category"] = row[CATEGORY]
    if row[DISCOUNT]:
        line["discount"] = f"{row[DISCOUNT]:.2f}"
    return line
