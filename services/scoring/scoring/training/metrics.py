"""How good probabilities are: ranking, calibration, and the profit of acting on them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln
from scipy.stats import rankdata

Floats = NDArray[np.float64]
BIN_COUNT = 10


class Bin(NamedTuple):
    """One of ten equal-count bins of predicted probability."""

    predicted: float
    observed: float
    rows: int


def area_under_curve(left: Floats, score: Floats) -> float:
    """ROC AUC as the rank-sum statistic, ties counted half; NaN when only one class is there."""
    positive = left > 0
    hits, misses = int(positive.sum()), int((~positive).sum())
    if hits == 0 or misses == 0:
        return float("nan")
    return float((rankdata(score)[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def average_precision(left: Floats, score: Floats) -> float:
    """The step-wise area under the precision-recall curve; equal scores are one step."""
    order = np.argsort(-score, kind="stable")
    hits, ordered = np.cumsum(left[order]), score[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    hits, shown = hits[last], np.flatnonzero(last) + 1
    return float(np.sum(np.diff(hits, prepend=0) * hits / shown) / hits[-1]) if hits[-1] else float("nan")


def brier(left: Floats, probability: Floats) -> float:
    """The mean squared error of the probability (Brier 1950)."""
    return float(np.mean((probability - left) ** 2))


def log_loss(left: Floats, probability: Floats) -> float:
    """The mean negative log-likelihood."""
    p = np.clip(probability, 1e-15, 1 - 1e-15)
    return float(-np.mean(left * np.log(p) + (1 - left) * np.log1p(-p)))


def calibration_bins(left: Floats, probability: Floats) -> list[Bin]:
    """Ten equal-count bins, lowest probabilities first."""
    parts = np.array_split(np.argsort(probability, kind="stable"), BIN_COUNT)
    return [Bin(float(probability[p].mean()), float(left[p].mean()), len(p)) for p in parts if len(p)]


def calibration_error(left: Floats, probability: Floats) -> float:
    """ECE: the count-weighted mean of |observed − predicted| over the ten bins."""
    bins = calibration_bins(left, probability)
    return sum(abs(found.observed - found.predicted) * found.rows for found in bins) / len(left)


def lift_at_tenth(left: Floats, score: Floats) -> float:
    """The event rate among the top-scored 10 % over the base rate."""
    top = np.argsort(-score, kind="stable")[: max(1, round(len(score) / 10))]
    return float(left[top].mean() / left.mean()) if left.any() else float("nan")


def expected_maximum_profit(left: Floats, score: Floats) -> float:
    """EMPC per customer: Verbraken, Verbeke & Baesens, IEEE TKDE 25(5), 2013, with their parameters.

    An offer of 10 and a contact of 1 for a customer worth 200, accepted with a Beta(6, 14) probability. The expectation
    over that probability is exact: between two vertices of the ROC hull's profit lines it is an incomplete beta.
    """
    alpha, beta, worth, offer, contact = 6.0, 14.0, 200.0, 10.0, 1.0
    rate = float(left.mean())
    stays, leaves = _hull(left, score)
    gain = rate * leaves * (worth - offer)
    cost = rate * leaves * contact + (1 - rate) * stays * (contact + offer)
    # profit(vertex) = accepted × gain − cost: the vertex that is best changes at these acceptance shares.
    share = np.clip(np.diff(cost) / np.maximum(np.diff(gain), 1e-300), 0.0, 1.0)
    bounds = np.concatenate([[0.0], share, [1.0]])
    mass = np.diff(betainc(alpha, beta, bounds))
    mean = np.exp(betaln(alpha + 1, beta) - betaln(alpha, beta)) * np.diff(betainc(alpha + 1, beta, bounds))
    return float(np.sum(gain * mean - cost * mass))


def _hull(left: Floats, score: Floats) -> tuple[Floats, Floats]:
    """The upper convex hull of the ROC curve: shares of stayers and of leavers targeted."""
    order = np.argsort(-score, kind="stable")
    last = np.append(score[order][1:] != score[order][:-1], True)
    x = np.append(0.0, np.cumsum(1 - left[order])[last] / max(float((1 - left).sum()), 1.0))
    y = np.append(0.0, np.cumsum(left[order])[last] / max(float(left.sum()), 1.0))
    kept: list[int] = []
    for i in range(len(x)):
        while len(kept) >= 2 and _turns_up(x, y, (kept[-2], kept[-1], i)):
            kept.pop()
        kept.append(i)
    return x[kept], y[kept]


def _turns_up(x: Floats, y: Floats, points: tuple[int, int, int]) -> bool:
    a, b, c = points
    return bool((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]) >= 0)


def all_metrics(left: Floats, probability: Floats) -> dict[str, float]:
    """Every figure a report shows, by name; what cannot be told (one class only) is left out."""
    found = {
        "auc": area_under_curve(left, probability), "average_precision": average_precision(left, probability),
        "brier": brier(left, probability), "ece": calibration_error(left, probability),
        "lift10": lift_at_tenth(left, probability), "empc": expected_maximum_profit(left, probability),
        "log_loss": log_loss(left, probability), "mean_prediction": float(probability.mean()),
        "base_rate": float(left.mean()), "row_count": float(len(left)),
    }  # fmt: skip
    return {name: value for name, value in found.items() if np.isfinite(value)}
