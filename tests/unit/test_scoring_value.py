import numpy as np
import pytest
from scipy.special import hyp2f1

from scoring.domain.value import (
    MarginModel,
    PurchaseModel,
    Summary,
    ValueModel,
    contract_margin,
    hypergeometric,
    past_rate_margin,
    prior_value_model,
    summarise,
)
from scoring.training.value import fit_margin, fit_purchases, train_value
from tests.support.purchases import bought, buyers_on, simulated_buyers, table_of

# Fader, Hardie & Lee (2005), table 2; weeks.
PAPER = PurchaseModel(0.2426, 4.4135, 0.7929, 2.4258)


def one(x: float, t_x: float, age: float, margin: float = 10.0) -> Summary:
    return Summary(*(np.array([value]) for value in (x, t_x, age, margin)), np.array([True]))


def test_the_papers_customer_is_expected_to_buy_as_the_paper_says():
    assert PAPER.expected_purchases(one(2, 30.43, 38.86), 39)[0] == pytest.approx(1.2259, abs=1e-4)
    assert PAPER.alive(one(2, 30.43, 38.86))[0] == pytest.approx(0.7266, abs=1e-4)


@pytest.mark.parametrize("z", [0.0, 0.3, 0.85, 0.98, 0.9989])
def test_the_series_agrees_with_scipy(z):
    c = np.array([2.2, 5.0, 40.0, 300.0])
    np.testing.assert_allclose(hypergeometric(1.9, -0.2, c, np.full(4, z)), hyp2f1(1.9, -0.2, c, z), rtol=1e-10)


def test_more_silence_means_fewer_expected_purchases():
    expected = [PAPER.expected_purchases(one(5, 30, 30 + silence), 39)[0] for silence in (1, 10, 30, 80)]
    assert expected == sorted(expected, reverse=True)


def test_the_unit_of_time_does_not_matter():
    summary = summarise(simulated_buyers(400, 300, seed=4), 299)
    days = fit_purchases(summary.x, summary.t_x, summary.T).model
    weeks = fit_purchases(summary.x, summary.t_x / 7, summary.T / 7).model
    assert weeks.alpha * 7 == pytest.approx(days.alpha, rel=1e-3)
    assert (weeks.r, weeks.a, weeks.b) == pytest.approx((days.r, days.a, days.b), rel=1e-3)


def test_a_fit_in_which_nobody_leaves_is_called_degenerate():
    random = np.random.default_rng(0)
    age = np.full(500, 300.0)
    x = random.poisson(6, 500).astype(float)
    fit = fit_purchases(x, np.where(x > 0, 299.0, 0.0), age)
    assert fit.degenerate is not None
    assert "nobody ever leaves" in fit.degenerate


def test_a_degenerate_fit_falls_back_to_the_past_rate_and_says_so():
    regulars = buyers_on({n: list(range(n % 5, 300, 6 + n % 9)) for n in range(200)})
    trained = train_value(regulars, 299)
    assert trained.report["form"] == "past_rate"
    assert trained.report["degenerate"]


def test_margin_of_repeat_buyers_is_recovered():
    random = np.random.default_rng(1)
    count = random.integers(2, 20, 4000).astype(float)
    nu = random.gamma(4.0, 1 / 16.0, 4000)
    fit = fit_margin(count, random.gamma(6.0 * count) / nu / count)
    assert fit.degenerate is None
    # p and gamma trade off against each other; the spread (q) and the mean p × gamma / (q - 1) are what the data hold.
    assert fit.model.q == pytest.approx(4.0, rel=0.1)
    assert fit.model.p * fit.model.gamma / (fit.model.q - 1) == pytest.approx(32.0, rel=0.05)


def test_one_high_margin_is_drawn_to_the_mean_and_many_are_believed():
    model = MarginModel(6.0, 4.0, 16.0, 30.0, fitted=True)
    once, often = model.expected_margin(one(0, 0, 50, 100.0))[0], model.expected_margin(one(30, 40, 50, 100.0))[0]
    assert once < often < 100.0


def test_who_costs_money_is_worth_less_than_nothing():
    model = MarginModel(6.0, 4.0, 16.0, 30.0, fitted=True)
    assert model.expected_margin(one(3, 20, 50, -5.0))[0] < 0


def test_returns_are_netted():
    kept = table_of({0: [(10, bought(100)), (40, bought(100))]})
    back = [(10, bought(100)), (40, bought(100, margin=-25.0 + 25.0))]
    value = prior_value_model()
    assert value.expected_margin(table_of({0: back}), 50)[0] < value.expected_margin(kept, 50)[0]


def test_a_trained_model_comes_back_from_its_arrays():
    buyers = simulated_buyers(600, 400, seed=2)
    trained = train_value(buyers, 399)
    model = ValueModel.from_arrays(trained.arrays)
    expected = model.expected_margin(buyers, 399)
    assert model.form == trained.report["form"] == "bg_nbd"
    assert np.isfinite(expected).all()
    assert model.tier_bounds.tolist() == sorted(model.tier_bounds.tolist())
    assert trained.report["metrics"]["expected_over_actual"] == pytest.approx(1.0, abs=0.25)


def test_who_never_bought_is_worth_nothing_yet():
    table = table_of({0: [(10, bought())]}, customer_count=2)
    assert prior_value_model().expected_margin(table, 20)[1] == 0.0


def test_the_past_rate_fades_with_silence():
    margins = [past_rate_margin(one(5, 50, age), 365, mean_daily_margin=0.0)[0] for age in (55, 90, 150, 400)]
    assert margins == sorted(margins, reverse=True)


def test_a_likelier_leaver_under_contract_is_worth_less():
    margins = contract_margin(np.full(3, 20.0), np.array([0.01, 0.05, 0.3]))
    assert margins.tolist() == sorted(margins.tolist(), reverse=True)
    assert margins[0] < 240
