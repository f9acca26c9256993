"""Training of contractual churn: from customer attributes and whether the customer cancelled."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.domain.additive import AdditiveModel
from scoring.domain.artefact import TrainedModel
from scoring.domain.attributes import Attributes, AttributeSpace, category_of, number_of
from scoring.domain.churn import AttributeChurn
from scoring.training.additive import FitSettings, calibrated, fit_additive, platt
from scoring.training.churn import check_enough
from scoring.training.folds import cross_calibrated, folds_of, out_of_fold
from scoring.training.metrics import all_metrics, area_under_curve, calibration_bins

Floats = NDArray[np.float64]
FOLD_COUNT = 5
MOST_CATEGORIES, LEAST_CATEGORY_ROWS = 40, 10
# One attribute that ranks leavers this well by itself is a copy of the outcome, or known only after it.
LEAKING_AUC = 0.97
ATTRIBUTE_SETTINGS = FitSettings(
    knot_count=12,
    inverse_penalty=0.3,
    learning_rate=0.05,
    tree_count=300,
    leaf_count=5,
    leaf_rows=40,
    boosted_share=0.3,
)


def train_attribute_churn(
    rows: Sequence[Attributes],
    cancelled: Sequence[bool],
    *,
    horizon_days: int = 30,
    settings: FitSettings | None = None,
) -> TrainedModel:
    """Fit, calibrate and judge out of fold; equal rows stay in one fold.

    Attributes that give the outcome away, and those that name a customer, are left out and told in `warnings`.
    """
    settings = settings or ATTRIBUTE_SETTINGS
    left = np.asarray(cancelled, np.float64)
    check_enough(left)
    space, warnings = learn_space(rows)
    space, leaks = without_leaks(space, rows, left)
    features = space.encode(rows)
    model, found = _fit(space, features, left, settings)
    served = AttributeChurn(model, space, horizon_days)
    report = {"form": "attributes", "seed": settings.seed, "warnings": warnings + leaks, **found}
    return TrainedModel("churn", served.to_arrays(), report)


def learn_space(rows: Sequence[Attributes]) -> tuple[AttributeSpace, list[str]]:
    """Which attributes are numbers and which categories; names of customers (nearly all different) are left out."""
    names: list[str] = []
    categories: list[tuple[str, ...]] = []
    warnings: list[str] = []
    for name in sorted({name for row in rows for name in row}):
        column = [row.get(name) for row in rows]
        texts = [text for text in map(category_of, column) if text is not None]
        numbers = sum(number_of(value) == number_of(value) and not isinstance(value, bool) for value in column)
        if not texts:
            continue
        if numbers >= 0.99 * len(texts):
            names.append(name)
            categories.append(())
            continue
        known, counts = np.unique(np.array(texts), return_counts=True)
        if len(known) > 0.5 * len(texts):
            warnings.append(f"{name} differs for nearly every customer and was left out")
            continue
        frequent = [i for i in np.argsort(-counts, kind="stable")[:MOST_CATEGORIES] if counts[i] >= LEAST_CATEGORY_ROWS]
        if frequent:
            names.append(name)
            categories.append(tuple(sorted(str(known[i]) for i in frequent)))
    return AttributeSpace(tuple(names), tuple(categories)), warnings


def without_leaks(space: AttributeSpace, rows: Sequence[Attributes], left: Floats) -> tuple[AttributeSpace, list[str]]:
    """Leave out what nearly decides the outcome by itself, and say so."""
    features = space.encode(rows)
    ranked = [_alone(features[:, i], left, is_category=bool(known)) for i, known in enumerate(space.categories)]
    kept = [i for i, area in enumerate(ranked) if area < LEAKING_AUC]
    warnings = [
        f"{name} nearly decides the outcome by itself (AUC {area:.3f}): it is likely known only afterwards, left out"
        for name, area in zip(space.names, ranked, strict=True) if area >= LEAKING_AUC
    ]  # fmt: skip
    return AttributeSpace(tuple(space.names[i] for i in kept), tuple(space.categories[i] for i in kept)), warnings


def _alone(column: Floats, left: Floats, *, is_category: bool) -> float:
    """The AUC of one attribute alone; a category is ranked by its rate of leavers."""
    if is_category:
        unknown = np.max(column, initial=-1, where=np.isfinite(column)) + 1
        code = np.nan_to_num(column, nan=unknown).astype(int)
        column = (np.bincount(code, weights=left) / np.maximum(np.bincount(code), 1))[code]
    known = np.isfinite(column)
    area = area_under_curve(left[known], column[known]) if known.mean() > 0.5 else 0.5
    return max(area, 1 - area) if np.isfinite(area) else 0.5


def _fit(
    space: AttributeSpace, features: Floats, left: Floats, settings: FitSettings
) -> tuple[AdditiveModel, dict[str, Any]]:
    categories = np.array([bool(known) for known in space.categories], np.bool_)

    def predict(seen: Floats, outcome: Floats, unseen: Floats) -> Floats:
        return fit_additive(seen, outcome, space.names, categories=categories, settings=settings)[0].log_odds(unseen)

    _, equal = np.unique(np.nan_to_num(features, nan=-1e18), axis=0, return_inverse=True)
    folds = folds_of(equal.reshape(-1), left, fold_count=FOLD_COUNT, seed=settings.seed)
    log_odds = out_of_fold(features, left, folds, predict=predict)
    slope, intercept = platt(log_odds, left)
    model, _ = fit_additive(features, left, space.names, categories=categories, settings=settings)
    probability = cross_calibrated(log_odds, left, folds)
    found = {
        "validation": f"{FOLD_COUNT} folds, equal rows together, calibrated across folds",
        "metrics": all_metrics(left, probability),
        "bins": [one._asdict() for one in calibration_bins(left, probability)],
        "calibration": {"slope": slope, "intercept": intercept},
    }
    return calibrated(model, slope, intercept), found
