import math

import numpy as np
import pytest

from scoring.domain.attributes import reason_code_of
from scoring.domain.churn import AttributeChurn, prior_attribute_churn
from scoring.domain.reasons import SHOWN_ATTRIBUTE_COUNT, attribute_reasons
from scoring.training.additive import FitSettings
from scoring.training.attributes import train_attribute_churn

QUICK = FitSettings(tree_count=40, inverse_penalty=0.3, leaf_rows=20)


def subscribers(count: int, *, seed: int = 0):
    random = np.random.default_rng(seed)
    monthly = random.random(count) < 0.5
    tenure = random.integers(0, 72, count)
    left = random.random(count) < 1 / (1 + np.exp(-(-2.0 + 2.0 * monthly - 0.03 * (tenure - 30))))
    rows = [
        {"Contract": ("Two year", "Month-to-month")[int(short)], "tenure": int(months), "mail": bool(n % 2), "note": ""}
        for n, (short, months) in enumerate(zip(monthly, tenure, strict=True))
    ]  # fmt: skip
    return rows, left.tolist()


@pytest.fixture(scope="module")
def trained():
    return train_attribute_churn(*subscribers(1500), settings=QUICK)


def test_base_and_reasons_add_up_to_the_probability(trained):
    served = AttributeChurn.from_arrays(trained.arrays)
    rows, _ = subscribers(50, seed=9)
    for shown, reasons in zip(served.score(rows).probability, served.reasons(rows), strict=True):
        assert served.base + sum(r.effect for r in reasons) == pytest.approx(math.log(shown / (1 - shown)), abs=1e-9)


def test_the_reason_says_the_attribute_in_words(trained):
    served = AttributeChurn.from_arrays(trained.arrays)
    reasons = served.reasons([{"Contract": "Month-to-month", "tenure": 60, "mail": True}])[0]
    assert (reasons[0].code, reasons[0].text) == ("contract_end", "Contract is Month-to-month")
    assert reasons[0].effect > 0


@pytest.mark.parametrize(
    "row", [{}, {"Contract": "Forever", "tenure": None}, {"tenure": "many"}, {"unheard": object()}]
)
def test_unknown_and_missing_values_get_a_sane_probability(trained, row):
    probability = AttributeChurn.from_arrays(trained.arrays).score([row]).probability[0]
    assert 0.01 < probability < 0.9


def test_a_copy_of_the_outcome_is_left_out_with_a_warning():
    rows, left = subscribers(1500)
    leaking = [row | {"state": "gone" if gone else "here"} for row, gone in zip(rows, left, strict=True)]
    trained = train_attribute_churn(leaking, left, settings=QUICK)
    assert any("state nearly decides" in warning for warning in trained.report["warnings"])
    assert "state" not in AttributeChurn.from_arrays(trained.arrays).space.names


def test_names_of_customers_are_left_out():
    rows, left = subscribers(600)
    named = [row | {"customer": f"C-{n}"} for n, row in enumerate(rows)]
    assert any(
        "customer differs" in warning
        for warning in train_attribute_churn(named, left, settings=QUICK).report["warnings"]
    )


def test_rows_written_twice_do_not_flatter_the_report():
    rows, left = subscribers(700)
    once = train_attribute_churn(rows, left, settings=QUICK).report["metrics"]["auc"]
    twice = train_attribute_churn(rows * 2, left * 2, settings=QUICK).report["metrics"]["auc"]
    assert twice == pytest.approx(once, abs=0.02)


def test_the_probabilities_are_honest_on_average(trained):
    metrics = trained.report["metrics"]
    assert metrics["mean_prediction"] == pytest.approx(metrics["base_rate"], abs=0.01)


def test_numbers_as_text_are_numbers():
    rows, left = subscribers(600)
    texts = [row | {"tenure": str(row["tenure"])} for row in rows]
    space = AttributeChurn.from_arrays(train_attribute_churn(texts, left, settings=QUICK).arrays).space
    assert space.categories[space.names.index("tenure")] == ()


@pytest.mark.parametrize(
    ("attribute", "code"),
    [("Contract", "contract_end"), ("MonthlyCharges", "price"), ("tenure", "new_customer"), ("minutes", "low_usage"),
     ("gender", "other"), ("PaymentMethod", "other"), ("days_overdue", "late_payment"), ("open_tickets", "complaint")],
)  # fmt: skip
def test_the_reason_code_follows_plain_field_words(attribute, code):
    assert reason_code_of(attribute) == code


def test_before_training_everybody_under_contract_has_the_base_rate():
    scored = prior_attribute_churn().score([{"any": 1}, {}])
    assert scored.probability[0] == scored.probability[1] == pytest.approx(0.052, abs=0.001)


def test_the_attributes_told_together_come_last_even_when_they_weigh_most():
    names = [f"trait {number}" for number in range(SHOWN_ATTRIBUTE_COUNT + 20)]
    effects = np.full(len(names), 0.1)
    effects[0] = -0.2
    reasons = attribute_reasons({}, names, effects, codes=["other"] * len(names))
    assert reasons[-1].text == "all other attributes together"
    assert reasons[-1].effect > reasons[0].effect
    assert reasons[-2].feature == "trait 0"
    assert sum(reason.effect for reason in reasons) == pytest.approx(effects.sum())
