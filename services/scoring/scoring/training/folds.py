"""Out-of-fold predictions: what a model says of rows it has not seen, for honest calibration and metrics."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scoring.training.additive import platt

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# Fits on the first two and gives the log-odds of the third.
Predict = Callable[[Floats, Floats, Floats], Floats]


def folds_of(groups: Integers, left: Floats, *, fold_count: int, seed: int) -> Integers:
    """A fold per row: rows of one group (a customer, or equal rows) stay together, leavers are spread evenly."""
    _, first, place = np.unique(groups, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(first))
    by_label = shuffled[np.argsort(left[first][shuffled], kind="stable")]
    fold = np.empty(len(first), np.int64)
    fold[by_label] = np.arange(len(first)) % fold_count
    return fold[place]


def out_of_fold(features: Floats, left: Floats, folds: Integers, *, predict: Predict) -> Floats:
    """Log-odds of every row from the fit without its fold."""
    log_odds = np.empty(len(left))
    for fold in np.unique(folds):
        held = folds == fold
        log_odds[held] = predict(features[~held], left[~held], features[held])
    return log_odds


def cross_calibrated(log_odds: Floats, left: Floats, folds: Integers) -> Floats:
    """Probabilities of out-of-fold log-odds, each fold calibrated by the others: as a new customer would see them."""
    probability = np.empty(len(left))
    for fold in np.unique(folds):
        held = folds == fold
        slope, intercept = platt(log_odds[~held], left[~held])
        probability[held] = 1 / (1 + np.exp(-(slope * log_odds[held] + intercept)))
    return probability
