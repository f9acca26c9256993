"""The probability that a customer leaves: from behaviour (they go silent) or from attributes (they tell us).

Serving needs numpy only. Before a model is trained a prior with stated coefficients answers, flagged as such.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from contracts.event import Band, Reason
from scoring.domain.additive import AdditiveModel, Shape, flat, line, probability_of
from scoring.domain.attributes import Attributes, AttributeSpace, reason_code_of
from scoring.domain.features import FEATURE_NAMES
from scoring.domain.reasons import attribute_reasons, behaviour_reasons

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]
# Log-odds of leaving, until data can tell. Silence counts in the customer's own usual gaps: two gaps of silence are
# odd, four are alarming. Somebody who bought once is nobody's regular: above the base rate from the first day on.
PRIOR_SHAPES: dict[str, Shape] = {
    "silence_over_usual_gap": line([1.0, 2.0, 4.0, 8.0], [-0.6, 0.4, 1.6, 2.4], missing=0.5),
    "days_since_last_purchase": line([0.0, 30.0, 90.0, 180.0], [-0.5, 0.0, 0.8, 1.6]),
    "spend_trend": line([-3.0, 0.0, 1.0], [0.3, 0.0, -0.1]),
    "complaints_90": line([0.0, 1.0, 3.0], [0.0, 0.5, 0.9]),
    "severe_complaints_180": line([0.0, 1.0], [0.0, 0.5]),
    "average_rating_180": line([2.0, 4.0], [0.4, 0.0]),
    "late_days_180": line([0.0, 30.0, 90.0], [0.0, 0.2, 0.6]),
    "returns_90": line([0.0, 3.0], [0.0, 0.2]),
    "usage_trend": line([-2.0, 0.0, 1.0], [0.4, 0.0, -0.1]),
}
PRIOR_BASE = -1.4
# A yearly loss of about a fifth is a usual figure for contracts; used only while nothing better is known.
PRIOR_CONTRACT_BASE = -2.9


class Scored(NamedTuple):
    """One value a row; the probability is the logistic function of the log-odds."""

    log_odds: Floats
    probability: Floats


@dataclass(frozen=True, slots=True)
class BehaviourChurn:
    """Non-contractual churn: the probability of no purchase in the horizon after the day of the features."""

    model: AdditiveModel
    horizon_days: int
    prior: bool = False

    @property
    def base(self) -> float:
        """The log-odds of an average customer, from which reasons start."""
        return self.model.base

    def score(self, features: Floats) -> Scored:
        """Score rows of `compute_features`."""
        log_odds = self.model.log_odds(features)
        return Scored(log_odds, probability_of(log_odds))

    def reasons(self, features: Floats) -> list[list[Reason]]:
        """Per row, reasons whose effects and the base add up to the row's log-odds."""
        return [self.explain(*pair) for pair in zip(features, self.effects(features), strict=True)]

    def effects(self, features: Floats) -> Floats:
        """(rows, features) effects, to explain rows of one batch from: asking row by row costs a hundred times more."""
        return self.model.effects(features)

    def explain(self, row: Floats, effects: Floats) -> list[Reason]:
        """The reasons of one row from its effects."""
        return behaviour_reasons(row, effects)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays, to be stored in an artefact."""
        return {**self.model.to_arrays(), "horizon_days": np.array(self.horizon_days, np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The inverse; a model of other features than these is refused."""
        model = AdditiveModel.from_arrays(arrays)
        if model.names != FEATURE_NAMES:
            raise ValueError("the model was trained on other features: train it again")
        return cls(model, int(arrays["horizon_days"]))


@dataclass(frozen=True, slots=True)
class AttributeChurn:
    """Contractual churn: the probability of cancelling, from the customer's attributes."""

    model: AdditiveModel
    space: AttributeSpace
    horizon_days: int = 30
    prior: bool = False

    @property
    def base(self) -> float:
        """The log-odds of an average customer, from which reasons start."""
        return self.model.base

    def score(self, rows: Sequence[Attributes]) -> Scored:
        """Score rows of attributes; unknown names are ignored, unknown or missing values have an effect."""
        log_odds = self.model.log_odds(self.space.encode(rows))
        return Scored(log_odds, probability_of(log_odds))

    def reasons(self, rows: Sequence[Attributes]) -> list[list[Reason]]:
        """Per row, reasons whose effects and the base add up to the row's log-odds."""
        return [self.explain(*pair) for pair in zip(rows, self.effects(rows), strict=True)]

    def effects(self, rows: Sequence[Attributes]) -> Floats:
        """(rows, attributes) effects, to explain rows of one batch from."""
        return self.model.effects(self.space.encode(rows))

    def explain(self, row: Attributes, effects: Floats) -> list[Reason]:
        """The reasons of one row from its effects."""
        names = self.space.names
        return attribute_reasons(row, names, effects, codes=[reason_code_of(name) for name in names])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays, to be stored in an artefact."""
        horizon = {"horizon_days": np.array(self.horizon_days, np.int64)}
        return {**self.model.to_arrays(), **self.space.to_arrays(), **horizon}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The inverse of `to_arrays`."""
        space, model = AttributeSpace.from_arrays(arrays), AdditiveModel.from_arrays(arrays)
        return cls(model, space, int(arrays["horizon_days"]))


def prior_behaviour_churn(horizon_days: int = 90) -> BehaviourChurn:
    """The stated prior: silence against the usual gap, and little else."""
    shapes = tuple(PRIOR_SHAPES.get(name, flat()) for name in FEATURE_NAMES)
    return BehaviourChurn(AdditiveModel(FEATURE_NAMES, PRIOR_BASE, shapes), horizon_days, prior=True)


def prior_attribute_churn(horizon_days: int = 90) -> AttributeChurn:
    """A base rate for everybody under contract."""
    return AttributeChurn(AdditiveModel((), PRIOR_CONTRACT_BASE, ()), AttributeSpace((), ()), horizon_days, prior=True)


def band_of(probability: float, *, medium_at: float, high_at: float) -> Band:
    """The band of a probability; the alert policy's clear_at and raise_at are its bounds."""
    if probability >= high_at:
        return "high"
    return "medium" if probability >= medium_at else "low"
