"""What the child process of a training job runs. scikit-learn is imported inside, never by the process that serves."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scoring.domain.activity import ActivityTable
from scoring.domain.artefact import TrainedModel
from scoring.domain.lifecycle import contracts_of
from scoring.domain.value import DEFAULT_HORIZON_DAYS

CONTRACT_HORIZON_DAYS = 30


@dataclass(frozen=True, slots=True)
class Material:
    """All that was known at the end of a day: buckets and attributes of customers 0 … customer_count-1."""

    activity: ActivityTable
    attributes: Sequence[Mapping[str, Any]]
    known_until: int


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller of a training asked for; None leaves it to us. Days are numbers."""

    horizon_days: int | None = None
    cuts: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """The models that could be fitted, and a sentence for each that could not."""

    models: tuple[TrainedModel, ...]
    refusals: tuple[str, ...]


def fit_churn(material: Material, wishes: Wishes) -> Fitted:
    """Churn of both kinds, each where there is enough of a past."""
    models, refusals = [], []
    for kind, fit in (("from behaviour", _fit_behaviour), ("under contract", _fit_attributes)):
        try:
            models.append(_described(fit(material, wishes), material))
        except ValueError as error:
            refusals.append(f"Churn {kind}: {error}.")
    return Fitted(tuple(models), tuple(refusals))


def fit_value(material: Material, wishes: Wishes) -> Fitted:
    """The expected margin."""
    from scoring.training.value import train_value

    horizon_days = wishes.horizon_days or DEFAULT_HORIZON_DAYS
    try:
        model = train_value(material.activity, material.known_until, horizon_days=horizon_days)
    except ValueError as error:
        return Fitted((), (f"Value: {error}.",))
    return Fitted((_described(model, material),), ())


def _fit_behaviour(material: Material, wishes: Wishes) -> TrainedModel:
    if not material.activity.total("purchase_count").any():
        raise ValueError("nobody has bought anything yet")
    from scoring.training.churn import train_churn
    from scoring.training.plan import TrainingPlan, plan_training

    if wishes.cuts:
        horizon = wishes.horizon_days or 90
        plan = TrainingPlan(horizon_days=horizon, cuts=tuple(sorted(wishes.cuts)))
    else:
        plan = plan_training(material.activity, material.known_until, horizon_days=wishes.horizon_days)
    return train_churn(material.activity, plan, known_until=material.known_until)


def _fit_attributes(material: Material, wishes: Wishes) -> TrainedModel:
    contracts = contracts_of(material.activity)
    under = [index for index, contract in enumerate(contracts) if contract != "none"]
    if not under:
        raise ValueError("nobody has had a contract yet")
    from scoring.training.attributes import train_attribute_churn

    rows = [material.attributes[index] for index in under]
    ended = [contracts[index] == "ended" for index in under]
    return train_attribute_churn(rows, ended, horizon_days=wishes.horizon_days or CONTRACT_HORIZON_DAYS)


def _described(model: TrainedModel, material: Material) -> TrainedModel:
    """The model with what it was learnt from, so that a training can be told from another and repeated."""
    table = material.activity
    digest = hashlib.sha256()
    for part in (table.customer, table.day, table.known_day, table.sums):
        digest.update(np.ascontiguousarray(part).tobytes())
    digest.update(repr(material.attributes).encode())
    window = {"first_day": table.first_day, "known_until": material.known_until} if table.day.size else None
    report = {**model.report, "data_hash": digest.hexdigest(), "window": _dates(window)}
    return replace(model, report=report)


def _dates(window: dict[str, int] | None) -> dict[str, str] | None:
    from scoring.domain.activity import date_of

    return None if window is None else {name: date_of(day).isoformat() for name, day in window.items()}
