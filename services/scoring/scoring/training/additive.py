"""Fitting of additive models: a spline logistic and one-feature boosted trees, averaged in log-odds.

Both are sums of functions of one feature, so their mean is one too and serving is a table lookup. scikit-learn fits,
`AdditiveModel` serves; tests hold the two to 1e-9 of each other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from scoring.domain.additive import AdditiveModel, Shape, blend, flat, line, probability_of, shifted, steps

Floats = NDArray[np.float64]
# Fewer rows that differ from the commonest value teach nothing about a feature.
RARE_ROW_COUNT = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How the two halves are fitted; found by validation over several data sets, none of them by name."""

    knot_count: int = 10
    inverse_penalty: float = 0.003
    learning_rate: float = 0.05
    tree_count: int = 300
    leaf_count: int = 5
    leaf_rows: int = 50
    ridge: float = 5.0
    feature_share: float = 0.3
    boosted_share: float = 0.5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """The basis of one feature in the spline logistic: hats at `knots`, or one column a category."""

    knots: Floats
    is_category: bool
    has_missing: bool

    def design(self, x: Floats) -> Floats:
        """(rows, terms): hat functions or indicators, all zero where x is missing, and an indicator of missing."""
        gone = np.isnan(x)
        inside = np.where(gone, self.knots[0], x)
        if self.is_category:
            columns = [np.where(gone, 0.0, (inside == knot).astype(np.float64)) for knot in self.knots]
        else:
            hats = np.eye(len(self.knots))
            columns = [np.where(gone, 0.0, np.interp(inside, self.knots, hat)) for hat in hats]
        return np.column_stack([*columns, gone.astype(np.float64)] if self.has_missing else columns)

    @property
    def term_count(self) -> int:
        """Columns of the design."""
        return len(self.knots) + self.has_missing

    def shape(self, weights: Floats) -> Shape:
        """The fitted function."""
        values = weights[: len(self.knots)]
        missing = float(weights[-1]) if self.has_missing else float(values.mean())
        if self.is_category:
            return steps((self.knots[1:] + self.knots[:-1]) / 2, values, missing=missing)
        return line(self.knots, values, missing=missing)


@dataclass(frozen=True, slots=True)
class Halves:
    """The fitted scikit-learn models, kept as the oracle of tests."""

    used: NDArray[np.int64]
    terms: tuple[Terms, ...]
    logistic: LogisticRegression
    boosted: HistGradientBoostingClassifier

    def log_odds(self, features: Floats, boosted_share: float) -> Floats:
        """The mean of the two as scikit-learn computes it."""
        chosen = features[:, self.used]
        linear = self.logistic.decision_function(design_of(self.terms, chosen))
        mean: Floats = boosted_share * self.boosted.decision_function(chosen) + (1 - boosted_share) * linear
        return mean


def fit_additive(
    features: Floats, left: Floats, names: tuple[str, ...], *, categories: NDArray[np.bool_], settings: FitSettings
) -> tuple[AdditiveModel, Halves]:
    """Fit both halves; effects are centred, so that the base is the mean log-odds of the rows. Not yet calibrated."""
    used = np.flatnonzero(np.array([varies(column) for column in features.T]))
    chosen = features[:, used]
    terms = tuple(
        terms_of(chosen[:, i], is_category=bool(categories[j]), knots=settings.knot_count) for i, j in enumerate(used)
    )
    logistic = LogisticRegression(C=settings.inverse_penalty, max_iter=500, tol=1e-6)
    logistic.fit(design_of(terms, chosen), left)
    boosted = _boost(chosen, left, settings)
    halves = Halves(used, terms, logistic, boosted)
    spline_shapes = _spline_shapes(terms, logistic)
    boosted_shapes = tree_shapes(boosted, len(used))
    share = settings.boosted_share
    shapes = [flat() for _ in names]
    for place, i in enumerate(used):
        shapes[i] = blend([(share, boosted_shapes[place]), (1 - share, spline_shapes[place])])
    # scikit-learn keeps the intercept of the boosting as the prediction before the first tree.
    base = share * float(boosted._baseline_prediction[0, 0]) + (1 - share) * float(logistic.intercept_[0])
    return centred(AdditiveModel(names, base, tuple(shapes)), features), halves


def varies(column: Floats) -> bool:
    """Whether enough rows differ from the commonest value to learn from."""
    _, counts = np.unique(column, return_counts=True, equal_nan=True)
    return int(len(column) - counts.max()) >= RARE_ROW_COUNT


def terms_of(x: Floats, *, is_category: bool, knots: int) -> Terms:
    """Hats at quantiles of the known values, or a column for each category."""
    known = x[np.isfinite(x)]
    places = np.unique(known) if is_category else np.unique(np.quantile(known, np.linspace(0, 1, knots)))
    return Terms(places, is_category, bool(np.isnan(x).any()))


def design_of(terms: tuple[Terms, ...], features: Floats) -> Floats:
    """The design matrix of the spline logistic."""
    bounded = np.clip(features, -1e300, 1e300)
    return np.hstack([term.design(bounded[:, i]) for i, term in enumerate(terms)])


def centred(model: AdditiveModel, features: Floats) -> AdditiveModel:
    """The same function with effects of mean zero over these rows."""
    means = model.effects(features).mean(axis=0)
    shapes = tuple(shifted(shape, -float(mean)) for shape, mean in zip(model.shapes, means, strict=True))
    return AdditiveModel(model.names, model.base + float(means.sum()), shapes)


def calibrated(model: AdditiveModel, slope: float, intercept: float) -> AdditiveModel:
    """Intercept + slope × log-odds, folded into the model."""
    shapes = tuple(blend([(slope, shape)]) for shape in model.shapes)
    return AdditiveModel(model.names, intercept + slope * model.base, shapes)


def platt(log_odds: Floats, left: Floats) -> tuple[float, float]:
    """(slope, intercept) of the affine map in log-odds that makes predictions honest (Platt 1999).

    The slope stays within 0 and 5: a model that ranks the wrong way is flattened, not turned.
    """

    def loss(line: Floats) -> tuple[float, Floats]:
        fitted = line[0] * log_odds + line[1]
        surplus = probability_of(fitted) - left
        slopes = np.array([surplus @ log_odds, surplus.sum()]) / len(left)
        return float(np.mean(np.logaddexp(0, fitted) - left * fitted)), slopes

    options = {"ftol": 1e-15, "gtol": 1e-10}
    found = minimize(
        loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0, 5), (-20, 20)], options=options
    )
    return float(found.x[0]), float(found.x[1])


def _boost(features: Floats, left: Floats, settings: FitSettings) -> HistGradientBoostingClassifier:
    boosted = HistGradientBoostingClassifier(
        learning_rate=settings.learning_rate, max_iter=settings.tree_count, max_leaf_nodes=settings.leaf_count,
        min_samples_leaf=settings.leaf_rows, l2_regularization=settings.ridge, max_features=settings.feature_share,
        interaction_cst="no_interactions", early_stopping=False, random_state=settings.seed,
    )  # fmt: skip
    return boosted.fit(features, left)


def _spline_shapes(terms: tuple[Terms, ...], logistic: LogisticRegression) -> list[Shape]:
    ends = np.cumsum([term.term_count for term in terms])[:-1]
    return [term.shape(part) for term, part in zip(terms, np.split(logistic.coef_[0], ends), strict=True)]


def tree_shapes(boosted: HistGradientBoostingClassifier, feature_count: int) -> list[Shape]:
    """The sum of all trees per feature; every tree splits on one feature only (interaction_cst="no_interactions")."""
    trees: list[list[Shape]] = [[] for _ in range(feature_count)]
    for (predictor,) in boosted._predictors:
        nodes = predictor.nodes
        if not nodes[0]["is_leaf"]:
            trees[int(nodes[0]["feature_idx"])].append(_tree_shape(nodes))
    return [blend([(1.0, tree) for tree in found]) if found else flat() for found in trees]


def _tree_shape(nodes: NDArray[np.void]) -> Shape:
    thresholds: list[float] = []
    values: list[float] = []

    def walk(place: int) -> None:
        node = nodes[place]
        if node["is_leaf"]:
            values.append(float(node["value"]))
            return
        walk(int(node["left"]))
        thresholds.append(float(node["num_threshold"]))
        walk(int(node["right"]))

    walk(0)
    place = 0
    while not nodes[place]["is_leaf"]:
        place = int(nodes[place]["left" if nodes[place]["missing_go_to_left"] else "right"])
    return steps(thresholds, values, missing=float(nodes[place]["value"]))
