import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.domain.additive import AdditiveModel, blend, line, steps
from scoring.domain.churn import BehaviourChurn, prior_behaviour_churn
from scoring.domain.features import FEATURE_NAMES, compute_features
from scoring.training.additive import FitSettings, fit_additive, platt
from scoring.training.churn import train_churn, training_rows
from scoring.training.plan import TooLittleHistory, TrainingPlan, plan_before, plan_training
from tests.support.purchases import buyers_on, simulated_buyers, table_of

QUICK = FitSettings(tree_count=40)
PLAN = TrainingPlan(horizon_days=42, cuts=(150, 180, 210))


@pytest.fixture(scope="module")
def buyers():
    return simulated_buyers(600, 300, seed=1)


@pytest.fixture(scope="module")
def trained(buyers):
    return train_churn(buyers, PLAN, known_until=299, settings=QUICK)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20))
def test_a_blend_is_the_weighted_sum_of_its_parts(points):
    stairs, slope = (
        steps([-3.0, 0.0, 7.5], [1.0, -2.0, 0.5, 4.0], missing=3.0),
        line([-10.0, 1.0, 20.0], [0.0, 2.0, -1.0]),
    )
    x = np.array([*points, -3.0, 0.0, 7.5, 1.0])
    np.testing.assert_allclose(blend([(0.3, stairs), (2.0, slope)])(x), 0.3 * stairs(x) + 2 * slope(x), atol=1e-12)


def test_a_line_is_numpys_interpolation():
    x = np.linspace(-5, 5, 101)
    np.testing.assert_allclose(line([-2, 0, 3], [1, 5, -1])(x), np.interp(x, [-2, 0, 3], [1, 5, -1]), atol=1e-12)


def test_what_is_missing_has_an_effect_of_its_own():
    assert steps([0.0], [1.0, 2.0], missing=-0.7)(np.array([math.nan]))[0] == -0.7


def test_serving_answers_as_scikit_learn_does(buyers):
    rows = training_rows(buyers, PLAN)
    none = np.zeros(len(FEATURE_NAMES), np.bool_)
    model, halves = fit_additive(rows.features, rows.left, FEATURE_NAMES, categories=none, settings=QUICK)
    served = AdditiveModel.from_arrays(model.to_arrays()).log_odds(rows.features)
    assert np.abs(served - halves.log_odds(rows.features, QUICK.boosted_share)).max() < 1e-9


def test_base_and_reasons_add_up_to_the_probability(buyers, trained):
    served = BehaviourChurn.from_arrays(trained.arrays)
    features = compute_features(buyers, 250)
    probability = served.score(features).probability
    for shown, reasons in zip(probability, served.reasons(features), strict=True):
        log_odds = served.base + sum(reason.effect for reason in reasons)
        assert log_odds == pytest.approx(math.log(shown / (1 - shown)), abs=1e-9)


def test_changing_the_leading_feature_moves_the_score_by_the_change_of_its_effect():
    served = prior_behaviour_churn()
    before = compute_features(buyers_on({0: [10, 20, 30]}), 70)
    after = before.copy()
    after[0, FEATURE_NAMES.index("silence_over_usual_gap")] = 1.0
    moved = served.score(after).log_odds[0] - served.score(before).log_odds[0]
    silence = [next(r.effect for r in served.reasons(rows)[0] if r.code == "silence") for rows in (before, after)]
    assert moved == pytest.approx(silence[1] - silence[0])
    assert moved < 0


def test_the_same_buyers_and_seed_give_the_same_model(buyers, trained):
    again = train_churn(buyers, PLAN, known_until=299, settings=QUICK)
    assert again.report == trained.report
    assert all(np.array_equal(again.arrays[name], array) for name, array in trained.arrays.items())


def test_a_label_drawn_by_lot_cannot_be_predicted(buyers):
    rows = training_rows(buyers, PLAN)
    lot = np.random.default_rng(5).permutation(rows.left)
    half = len(lot) // 2
    none = np.zeros(len(FEATURE_NAMES), np.bool_)
    model, _ = fit_additive(rows.features[:half], lot[:half], FEATURE_NAMES, categories=none, settings=QUICK)
    from scoring.training.metrics import area_under_curve

    assert area_under_curve(lot[half:], model.log_odds(rows.features[half:])) == pytest.approx(0.5, abs=0.08)


def test_where_the_data_tell_nothing_the_stated_prior_stays(trained):
    assert "complaints_90" in trained.report["prior_effects"]
    shape = BehaviourChurn.from_arrays(trained.arrays).model.shapes[FEATURE_NAMES.index("complaints_90")]
    assert shape(np.array([1.0]))[0] > shape(np.array([0.0]))[0]


def test_the_report_shows_what_another_horizon_would_have_called_lost(trained):
    shares = list(trained.report["sensitivity"].values())
    assert list(trained.report["sensitivity"]) == ["28", "42", "60", "90", "120"]
    assert shares[0] > shares[-1]


def test_platt_mends_what_is_too_sure():
    random = np.random.default_rng(2)
    truth = random.normal(0, 1, 20_000)
    left = (random.random(20_000) < 1 / (1 + np.exp(-truth))).astype(float)
    slope, intercept = platt(3 * truth + 1, left)
    assert slope == pytest.approx(1 / 3, abs=0.02)
    assert intercept == pytest.approx(-1 / 3, abs=0.05)


def test_a_label_window_beyond_the_test_cut_is_refused():
    with pytest.raises(ValueError, match="reaches past"):
        plan_before(200, [100, 170], horizon_days=42)
    assert plan_before(200, [100, 158], horizon_days=42).cuts == (100, 158)


def test_the_plan_keeps_each_label_window_within_what_is_known(buyers):
    plan = plan_training(buyers, 299, horizon_days=42)
    assert max(plan.cuts) + 42 == 299
    assert min(plan.cuts) >= 60


def test_too_little_history_is_said_not_guessed():
    with pytest.raises(TooLittleHistory, match="are needed"):
        plan_training(buyers_on({0: [1, 20]}), 20)
    with pytest.raises(TooLittleHistory, match="too few"):
        train_churn(
            buyers_on({n: [100 + n % 30] for n in range(50)}),
            TrainingPlan(horizon_days=10, cuts=(110,)),
            known_until=130,
        )


def test_an_empty_table_is_scored_by_a_trained_model(trained):
    served = BehaviourChurn.from_arrays(trained.arrays)
    assert np.isfinite(served.score(compute_features(table_of({}, customer_count=3), 100)).probability).all()
