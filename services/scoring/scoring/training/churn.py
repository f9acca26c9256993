"""Training of non-contractual churn: from purchase rhythm, by several cuts in time, validated on the last of them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.domain.activity import ActivityTable, date_of
from scoring.domain.additive import AdditiveModel, probability_of, shifted
from scoring.domain.artefact import TrainedModel
from scoring.domain.churn import PRIOR_SHAPES, BehaviourChurn
from scoring.domain.features import FEATURE_INDEX, FEATURE_NAMES, compute_features
from scoring.training.additive import FitSettings, calibrated, fit_additive, platt, varies
from scoring.training.folds import cross_calibrated, folds_of, out_of_fold
from scoring.training.metrics import all_metrics, calibration_bins
from scoring.training.plan import HORIZONS, TooLittleHistory, TrainingPlan, labels_after

Floats = NDArray[np.float64]
LEAST_ROWS, LEAST_OF_EACH = 200, 40
FOLD_COUNT = 3


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """One row per customer and cut."""

    features: Floats
    left: Floats
    customer: NDArray[np.int64]
    cut: NDArray[np.int64]

    def at(self, chosen: NDArray[np.bool_]) -> "TrainingRows":
        """The marked rows."""
        return TrainingRows(self.features[chosen], self.left[chosen], self.customer[chosen], self.cut[chosen])


def training_rows(activity: ActivityTable, plan: TrainingPlan) -> TrainingRows:
    """Features as of each cut and what the horizon after it brought, for the population of the plan."""
    parts = [_rows_of_cut(activity, plan, cut) for cut in plan.cuts]
    return TrainingRows(
        np.vstack([part.features for part in parts]), np.concatenate([part.left for part in parts]),
        np.concatenate([part.customer for part in parts]), np.concatenate([part.cut for part in parts]),
    )  # fmt: skip


def _rows_of_cut(activity: ActivityTable, plan: TrainingPlan, cut: int) -> TrainingRows:
    features = compute_features(activity, cut)
    silence = features[:, FEATURE_INDEX["days_since_last_purchase"]]
    admitted = np.isfinite(silence)
    if plan.population_days is not None:
        admitted &= np.nan_to_num(silence, nan=np.inf) <= plan.population_days
    customer = np.flatnonzero(admitted)
    left = labels_after(activity, cut, plan.horizon_days)[customer]
    return TrainingRows(features[customer], left, customer, np.full(len(customer), cut))


def train_churn(
    activity: ActivityTable, plan: TrainingPlan, *, known_until: int | None = None, settings: FitSettings | None = None
) -> TrainedModel:
    """Fit, calibrate and validate; the same table and settings give the same arrays, bit by bit.

    Raises TooLittleHistory when there are too few rows, or too few of either outcome.
    """
    known = activity.last_day if known_until is None else known_until
    plan.check(known)
    settings = settings or FitSettings()
    rows = training_rows(activity, plan)
    check_enough(rows.left)
    model, fitted = fit_behaviour(rows, settings)
    served = BehaviourChurn(model, plan.horizon_days)
    report = {
        "form": "behaviour", "plan": _plan_words(plan), "seed": settings.seed, **fitted,
        **_validation(rows, plan, settings),
        "sensitivity": left_share_by_horizon(activity, plan, known), "importance": _importance(model, rows.features),
    }  # fmt: skip
    return TrainedModel("churn", served.to_arrays(), report)


def fit_behaviour(rows: TrainingRows, settings: FitSettings) -> tuple[AdditiveModel, dict[str, Any]]:
    """The calibrated model and what the calibration found. Folds keep a customer's cuts together."""
    categories = np.zeros(len(FEATURE_NAMES), np.bool_)

    def predict(features: Floats, left: Floats, unseen: Floats) -> Floats:
        model, _ = fit_additive(features, left, FEATURE_NAMES, categories=categories, settings=settings)
        return model.log_odds(unseen)

    folds = folds_of(rows.customer, rows.left, fold_count=FOLD_COUNT, seed=settings.seed)
    log_odds = out_of_fold(rows.features, rows.left, folds, predict=predict)
    slope, intercept = platt(log_odds, rows.left)
    model, _ = fit_additive(rows.features, rows.left, FEATURE_NAMES, categories=categories, settings=settings)
    unlearned = [name for i, name in enumerate(FEATURE_NAMES) if not varies(rows.features[:, i])]
    found = {
        "out_of_fold": all_metrics(rows.left, cross_calibrated(log_odds, rows.left, folds)),
        "calibration": {"slope": slope, "intercept": intercept},
        "prior_effects": [name for name in unlearned if name in PRIOR_SHAPES],
    }
    return with_prior_effects(calibrated(model, slope, intercept), rows.features, unlearned), found


def with_prior_effects(model: AdditiveModel, features: Floats, unlearned: list[str]) -> AdditiveModel:
    """Keep the prior's stated effect where the data hold too few cases to learn one (say, no complaints so far)."""
    shapes = list(model.shapes)
    for name in unlearned:
        if name in PRIOR_SHAPES:
            column = features[:, FEATURE_INDEX[name]]
            shapes[FEATURE_INDEX[name]] = shifted(PRIOR_SHAPES[name], -float(PRIOR_SHAPES[name](column).mean()))
    return replace(model, shapes=tuple(shapes))


def check_enough(left: Floats) -> None:
    """Refuse to learn from next to nothing."""
    leavers = int(left.sum())
    if len(left) < LEAST_ROWS or min(leavers, len(left) - leavers) < LEAST_OF_EACH:
        raise TooLittleHistory(
            f"{len(left)} rows with {leavers} leavers are too few: {LEAST_ROWS} rows with {LEAST_OF_EACH} of each "
            "outcome are needed"
        )


def _validation(rows: TrainingRows, plan: TrainingPlan, settings: FitSettings) -> dict[str, Any]:
    """Fit on the cuts whose label windows end by the last cut, judge on the last: as it will be used."""
    last = plan.cuts[-1]
    early = rows.at(rows.cut + plan.horizon_days <= last)
    held = rows.at(rows.cut == last)
    try:
        check_enough(early.left)
    except TooLittleHistory:
        words = "none: too little history before the last cut; see out_of_fold"
        return {"validation": words, "metrics": {}, "bins": []}
    model, _ = fit_behaviour(early, settings)
    probability = probability_of(model.log_odds(held.features))
    return {
        "validation": f"in time: trained on cuts up to {date_of(int(early.cut.max()))}, judged on {date_of(last)}",
        "metrics": all_metrics(held.left, probability),
        "bins": [found._asdict() for found in calibration_bins(held.left, probability)],
    }


def left_share_by_horizon(activity: ActivityTable, plan: TrainingPlan, known_until: int) -> dict[str, float]:
    """The share of leavers had another horizon been chosen: "left" is a definition, so what it decides is shown."""
    shares: dict[str, float] = {}
    for days in HORIZONS:
        cut = known_until - days
        if cut > activity.first_day:
            rows = _rows_of_cut(activity, replace(plan, horizon_days=days), cut)
            shares |= {str(days): float(rows.left.mean())} if len(rows.left) else {}
    return shares


def _importance(model: AdditiveModel, features: Floats) -> dict[str, float]:
    """The mean absolute effect per feature, greatest first."""
    weight = np.abs(model.effects(features)).mean(axis=0)
    order = np.argsort(-weight, kind="stable")
    return {model.names[i]: float(weight[i]) for i in order if weight[i] > 0}


def _plan_words(plan: TrainingPlan) -> dict[str, Any]:
    cuts = [date_of(cut).isoformat() for cut in plan.cuts]
    return {"horizon_days": plan.horizon_days, "cuts": cuts, "population_days": plan.population_days}
