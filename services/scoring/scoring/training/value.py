"""Training of customer value: BG/NBD with equal customers counted once, Gamma-Gamma, and a backtest."""

from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from scoring.domain.activity import ActivityTable
from scoring.domain.artefact import TrainedModel
from scoring.domain.lifecycle import tier_thresholds
from scoring.domain.value import (
    DEFAULT_ANNUAL_DISCOUNT,
    DEFAULT_HORIZON_DAYS,
    MarginModel,
    PurchaseModel,
    Summary,
    ValueModel,
    summarise,
)
from scoring.training.plan import TooLittleHistory

Floats = NDArray[np.float64]
LEAST_CUSTOMERS, LEAST_REPEATERS = 50, 20
BACKTEST_DAYS = 90
_LOG_BOUND = 12.0
_PRECISE = {"maxiter": 1000, "ftol": 1e-15, "gtol": 1e-9}


class PurchaseFit(NamedTuple):
    """BG/NBD parameters in the unit of the times given; `degenerate` says why they must not be used, or is None."""

    model: PurchaseModel
    log_likelihood: float
    degenerate: str | None


class MarginFit(NamedTuple):
    """Gamma-Gamma parameters, or the reason why there are none."""

    model: MarginModel
    log_likelihood: float | None
    degenerate: str | None


def fit_purchases(x: Floats, t_x: Floats, age: Floats) -> PurchaseFit:
    """Maximise the BG/NBD likelihood (Fader, Hardie & Lee 2005, eq. 6); equal (x, t_x, T) are counted, not repeated."""
    scale = float(age.mean()) / 10 or 1.0
    cells, counts = np.unique(np.column_stack([x, t_x / scale, age / scale]), axis=0, return_counts=True)
    found = minimize(
        _purchase_loss, np.array([-1.0, 0.5, -0.5, 0.5]), args=(cells.T, counts / counts.sum()), jac=True,
        method="L-BFGS-B", bounds=[(-_LOG_BOUND, _LOG_BOUND)] * 4, options=_PRECISE,
    )  # fmt: skip
    r, alpha, a, b = np.exp(found.x).tolist()
    # Each repeat purchase is a density in time, so the unit of time belongs to the likelihood.
    likelihood = -float(found.fun) * float(counts.sum()) - float(x.sum()) * float(np.log(scale))
    model = PurchaseModel(r, alpha * scale, a, b)
    everybody = np.ones(len(x), np.bool_)
    gone_share = 1 - float(model.alive(Summary(x, t_x, age, np.zeros_like(x), everybody)).mean())
    return PurchaseFit(model, likelihood, _degenerate(model, gone_share))


def _purchase_loss(logs: Floats, cells: Floats, weights: Floats) -> tuple[float, Floats]:
    """The mean negative log-likelihood and its gradient in the logarithms of (r, alpha, a, b)."""
    r, alpha, a, b = np.exp(logs)
    x, t_x, age = cells
    repeats = x > 0
    on, late = np.log(alpha + age), np.log(alpha + t_x)
    active = -(r + x) * on
    gone = np.where(repeats, np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * late, -np.inf)
    either = np.logaddexp(active, gone)
    p_active, p_gone = np.exp(active - either), np.exp(gone - either)
    each = (
        gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        + gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x) + either
    )  # fmt: skip
    both = digamma(a + b) - digamma(a + b + x)
    slopes = np.array([
        weights @ (digamma(r + x) - digamma(r) + np.log(alpha) - p_active * on - p_gone * late),
        weights @ (r / alpha - (r + x) * (p_active / (alpha + age) + p_gone / (alpha + t_x))),
        weights @ (both + p_gone / a),
        weights @ (both + digamma(b + x) - digamma(b) - p_gone / (b + np.maximum(x, 1) - 1)),
    ])  # fmt: skip
    return -float(weights @ each), -slopes * np.array([r, alpha, a, b])


def _degenerate(model: PurchaseModel, gone_share: float) -> str | None:
    if gone_share < 0.01 or model.a < 1e-3 or model.b > 1e4:
        return f"the fit says that nobody ever leaves (a {model.a:.2g}, b {model.b:,.0f})"
    if not 1e-4 < model.r < 1e3 or model.a > 1e3:
        return f"the fit ran to a bound (r {model.r:.2g}, a {model.a:.2g}, b {model.b:.2g})"
    return None


def fit_margin(count: Floats, margin: Floats) -> MarginFit:
    """Gamma-Gamma (Fader & Hardie 2013, eq. 1a) on customers of two or more purchases with a positive mean margin."""
    usable = (count > 0) & (margin > 0)
    n, m = count[usable], margin[usable]
    mean = float(np.average(margin, weights=np.maximum(count, 1))) if len(margin) else 0.0
    if len(n) < LEAST_REPEATERS:
        return MarginFit(MarginModel(1.0, 2.0, 1.0, mean, fitted=False), None, f"only {len(n)} repeat buyers")
    scale = float(m.mean())

    found = minimize(
        _margin_loss, np.array([1.0, 1.0, 0.0]), args=(n, m / scale), jac=True, method="L-BFGS-B",
        bounds=[(-9.0, 9.0)] * 3, options=_PRECISE,
    )  # fmt: skip
    p, q = np.exp(found.x[:2]).tolist()
    gamma = float(np.exp(found.x[2] - found.x[0]))
    likelihood = -float(found.fun) * len(n) - len(n) * float(np.log(scale))
    trouble = None if 1.01 < q < 5e3 and p < 5e3 else f"no finite mean or no spread (p {p:.3g}, q {q:.3g})"
    return MarginFit(MarginModel(p, q, gamma * scale, mean, fitted=trouble is None), likelihood, trouble)


def _margin_loss(logs: Floats, n: Floats, m: Floats) -> tuple[float, Floats]:
    """The mean negative log-likelihood and its gradient in the logarithms of (p, q, p × gamma).

    p and gamma trade off against each other along a nearly flat ridge; in their product it runs along one axis.
    """
    p, q = np.exp(logs[:2])
    gamma = np.exp(logs[2] - logs[0])
    seen = p * n + q
    total = np.log(gamma + n * m)
    each = (
        gammaln(seen) - gammaln(p * n) - gammaln(q) + q * np.log(gamma) + (p * n - 1) * np.log(m)
        + p * n * np.log(n) - seen * total
    )  # fmt: skip
    slopes = np.array([
        np.mean(n * (digamma(seen) - digamma(p * n) + np.log(m * n) - total)),
        np.mean(digamma(seen) - digamma(q) + np.log(gamma) - total),
        np.mean(q / gamma - seen / (gamma + n * m)),
    ])  # fmt: skip
    by_p, by_q, by_gamma = slopes * np.array([p, q, gamma])
    return -float(each.mean()), -np.array([by_p - by_gamma, by_q, by_gamma])


def train_value(
    activity: ActivityTable,
    as_of: int,
    *,
    horizon_days: int = DEFAULT_HORIZON_DAYS,
    annual_discount: float = DEFAULT_ANNUAL_DISCOUNT,
) -> TrainedModel:
    """Fit both models as of a day, choose the form, find the tier bounds and judge the form on the last 90 days."""
    model, found = fit_value(activity, as_of, horizon_days=horizon_days, annual_discount=annual_discount)
    expected = model.expected_margin(activity, as_of)
    bought = summarise(activity, as_of).bought
    model = replace(model, tier_bounds=tier_thresholds(expected[bought]))
    report = {
        **found, "horizon_days": horizon_days, "annual_discount": annual_discount,
        "tier_bounds": model.tier_bounds.tolist(), "customer_count": int(bought.sum()),
        "mean_expected_margin": float(expected[bought].mean()), "metrics": backtest(activity, as_of),
    }  # fmt: skip
    return TrainedModel("value", model.to_arrays(), report)


def fit_value(
    activity: ActivityTable, as_of: int, *, horizon_days: int, annual_discount: float
) -> tuple[ValueModel, dict[str, Any]]:
    """The model without tier bounds, and what the fits found; falls back to the past rate and says why."""
    summary = bought_only(summarise(activity, as_of))
    if len(summary.x) < LEAST_CUSTOMERS:
        raise TooLittleHistory(f"{len(summary.x)} customers with purchases are too few: {LEAST_CUSTOMERS} are needed")
    purchases = fit_purchases(summary.x, summary.t_x, summary.T)
    repeats = summary.x > 0
    margin = fit_margin(summary.x[repeats] + 1, summary.margin[repeats])
    total, lived = float((summary.margin * (summary.x + 1)).sum()), float(summary.T.sum())
    trouble = purchases.degenerate or margin.degenerate
    model = ValueModel(
        "past_rate" if trouble else "bg_nbd", purchases.model, margin.model, horizon_days, annual_discount,
        np.zeros(3), total / max(lived, 1.0),
    )  # fmt: skip
    return model, {
        "form": model.form, "degenerate": trouble, "purchases": asdict(purchases.model),
        "margin": asdict(margin.model), "purchase_log_likelihood": purchases.log_likelihood,
        # Gamma-Gamma assumes that how often and how much are independent.
        "correlation_of_count_and_margin": _correlation(summary.x[repeats], summary.margin[repeats]),
    }  # fmt: skip


def bought_only(summary: Summary) -> Summary:
    """Those who ever bought."""
    kept = summary.bought
    return Summary(summary.x[kept], summary.t_x[kept], summary.T[kept], summary.margin[kept], kept[kept])


def backtest(activity: ActivityTable, as_of: int) -> dict[str, float]:
    """Fit 90 days earlier and compare with what came: totals, error, and the margin the top tenth holds."""
    cut = as_of - BACKTEST_DAYS
    try:
        model, _ = fit_value(activity, cut, horizon_days=BACKTEST_DAYS, annual_discount=0.0)
    except TooLittleHistory:
        return {}
    summary = summarise(activity, cut)
    came = activity.total("margin", (activity.day > cut) & (activity.day <= as_of))[summary.bought]
    expected = model.expected_margin(activity, cut)[summary.bought]
    past = (summary.margin * (summary.x + 1))[summary.bought]
    if came.sum() <= 0:
        return {}
    return {
        "expected_over_actual": float(expected.sum() / came.sum()),
        "mean_absolute_error": float(np.abs(expected - came).mean()),
        "top_tenth_share": _captured(came, expected), "top_tenth_share_by_past_margin": _captured(came, past),
        "top_tenth_share_at_best": _captured(came, came),
    }  # fmt: skip


def _captured(came: Floats, rank: Floats) -> float:
    top = np.argsort(-rank, kind="stable")[: max(1, round(len(came) / 10))]
    return float(came[top].sum() / came.sum())


def _correlation(x: Floats, m: Floats) -> float | None:
    return float(np.corrcoef(x, m)[0, 1]) if len(x) > 2 and x.std() > 0 and m.std() > 0 else None
