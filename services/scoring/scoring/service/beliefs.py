"""From what is known of customers to what is believed of them: one model call for the whole batch, no database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from contracts.event import Reason, Stage, Tier
from scoring.domain.activity import ActivityTable, day_number
from scoring.domain.churn import AttributeChurn, BehaviourChurn, prior_behaviour_churn
from scoring.domain.features import FEATURE_INDEX, compute_features
from scoring.domain.lifecycle import Evidence, days_until_next_look, evidence_of, stage_of, tiers_of
from scoring.domain.value import contract_margin
from scoring.serving import PRIOR_VERSION, Serving

Floats = NDArray[np.float64]
CONTRACT_VALUE = "value/contract"
_NEVER_BOUGHT = prior_behaviour_churn()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of customers, who are the indexes of the activity table."""

    customers: Sequence[UUID]
    activity: ActivityTable
    attributes: Mapping[UUID, Mapping[str, Any]] = field(default_factory=dict)
    monthly_margins: Mapping[UUID, float] = field(default_factory=dict)
    margin_assumed: frozenset[UUID] = frozenset()
    stages: Mapping[UUID, Stage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """What is believed of one customer; `why` tells the reasons: base plus their effects is the log-odds."""

    customer_id: UUID
    probability: float
    base: float
    horizon_days: int
    model: str
    prior: bool
    contractual: bool
    cancelled: bool
    expected_margin: float
    value_horizon_days: int
    value_model: str
    value_prior: bool
    margin_assumed: bool
    tier: Tier
    stage: Stage
    next_look_days: int
    why: Callable[[], list[Reason]]


def believe(known: Known, serving: Serving, *, now: datetime, lost_after_days: int) -> list[Beliefs]:
    """Score customers as of the business day of `now`, in the order of `known.customers`."""
    as_of = day_number(now)
    features = compute_features(known.activity, as_of)
    evidence = evidence_of(known.activity, as_of, lost_after_days=lost_after_days)
    rows = [known.attributes.get(customer, {}) for customer in known.customers]
    churn = _Churn(serving, features, evidence, rows)
    margins = _expected_margins(known, serving, evidence, churn=churn, as_of=as_of)
    bought = np.array([one.purchase_days > 0 or one.contract != "none" for one in evidence], np.bool_)
    tiers = tiers_of(margins, bought, serving.value.tier_bounds)
    looks = days_until_next_look(evidence, lost_after_days=lost_after_days)
    return [
        Beliefs(
            customer_id=customer,
            expected_margin=float(margins[index]),
            tier=tiers[index],
            stage=stage_of(evidence[index], known.stages.get(customer), lost_after_days=lost_after_days).stage,
            next_look_days=looks[index],
            cancelled=evidence[index].contract == "ended",
            contractual=evidence[index].contract == "active",
            value_horizon_days=serving.value.horizon_days,
            margin_assumed=customer in known.margin_assumed,
            **churn.of(index) | _value_source(serving, evidence[index], churn=churn, index=index),
        )
        for index, customer in enumerate(known.customers)
    ]


class _Churn:
    """Which model speaks for whom: attributes under contract, else behaviour, the prior for who never bought."""

    def __init__(
        self, serving: Serving, features: Floats, evidence: Sequence[Evidence], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        self._serving, self._features, self._rows = serving, features, rows
        self._contract = np.array([one.contract != "none" for one in evidence], np.bool_)
        self._bought = ~np.isnan(features[:, FEATURE_INDEX["days_since_last_purchase"]])
        self.probability = serving.behaviour.score(features).probability
        never = ~self._bought & ~self._contract
        self.probability[never] = _NEVER_BOUGHT.score(features[never]).probability
        under = np.flatnonzero(self._contract).tolist()
        if under:
            self.probability[under] = serving.attributes.score([rows[index] for index in under]).probability

    def horizon_days(self, index: int) -> int:
        """The horizon of the model that speaks for a customer."""
        return self.of(index)["horizon_days"]  # type: ignore[no-any-return]

    def of(self, index: int) -> dict[str, Any]:
        """The fields of Beliefs that the churn model fills."""
        serving = self._serving
        model: BehaviourChurn | AttributeChurn
        if self._contract[index]:
            model, version, why = (
                serving.attributes,
                serving.attributes_version,
                partial(self._why_under_contract, index),
            )
        elif self._bought[index]:
            model, version, why = serving.behaviour, serving.behaviour_version, partial(self._why_by_behaviour, index)
        else:
            model, version, why = _NEVER_BOUGHT, f"churn/{PRIOR_VERSION}", partial(self._why_never_bought, index)
        return {
            "probability": float(self.probability[index]), "base": model.base, "horizon_days": model.horizon_days,
            "model": version, "prior": model.prior, "why": why,
        }  # fmt: skip

    # The effects of the whole batch are computed once, and only when somebody asks why.
    @cached_property
    def _behaviour_effects(self) -> Floats:
        return self._serving.behaviour.effects(self._features)

    @cached_property
    def _attribute_effects(self) -> Floats:
        return self._serving.attributes.effects(self._rows)

    def _why_by_behaviour(self, index: int) -> list[Reason]:
        return self._serving.behaviour.explain(self._features[index], self._behaviour_effects[index])

    def _why_under_contract(self, index: int) -> list[Reason]:
        return self._serving.attributes.explain(self._rows[index], self._attribute_effects[index])

    def _why_never_bought(self, index: int) -> list[Reason]:
        return _NEVER_BOUGHT.reasons(self._features[index][np.newaxis])[0]


def _value_source(serving: Serving, one: Evidence, *, churn: _Churn, index: int) -> dict[str, Any]:
    """What an expected margin rests on: the value model, or under contract the price paid until the customer leaves."""
    if one.contract != "none":
        return {"value_model": CONTRACT_VALUE, "value_prior": churn.of(index)["prior"]}
    return {"value_model": serving.value_version, "value_prior": serving.value_version == f"value/{PRIOR_VERSION}"}


def _expected_margins(
    known: Known, serving: Serving, evidence: Sequence[Evidence], *, churn: _Churn, as_of: int
) -> Floats:
    margins = serving.value.expected_margin(known.activity, as_of)
    for index, one in enumerate(evidence):
        monthly = known.monthly_margins.get(known.customers[index])
        if one.contract == "none":
            continue
        margins[index] = 0.0
        if monthly is not None and one.contract == "active":
            months = churn.horizon_days(index) * 12 / 365
            leave = 1 - (1 - churn.probability[index]) ** (1 / months)
            margins[index] = contract_margin(
                np.array([monthly]), np.array([leave]), horizon_days=serving.value.horizon_days
            )[0]
    return margins
