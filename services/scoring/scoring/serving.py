"""The models that serve: the promoted versions, verified and held in memory, or stated priors until there are any."""

import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from scoring.domain.artefact import ArtefactRejected, TrainedModel, open_signed
from scoring.domain.churn import AttributeChurn, BehaviourChurn, prior_attribute_churn, prior_behaviour_churn
from scoring.domain.value import ValueModel, prior_value_model
from scoring.repository import model_versions

logger = logging.getLogger(__name__)

BEHAVIOUR = ("churn", "behaviour")
ATTRIBUTES = ("churn", "attributes")
VALUE = ("value", "behaviour")
PRIOR_VERSION = "prior"


@dataclass(frozen=True, slots=True)
class Serving:
    """One consistent set of models with the versions they go by."""

    behaviour: BehaviourChurn
    attributes: AttributeChurn
    value: ValueModel
    behaviour_version: str = f"churn/{PRIOR_VERSION}"
    attributes_version: str = f"churn/{PRIOR_VERSION}"
    value_version: str = f"value/{PRIOR_VERSION}"


def priors() -> Serving:
    """What serves before anything is trained."""
    return Serving(prior_behaviour_churn(), prior_attribute_churn(), prior_value_model())


def loaded(model: TrainedModel) -> BehaviourChurn | AttributeChurn | ValueModel:
    """A trained model as the object that serves it. Raises ValueError or KeyError for what is no such model."""
    if model.kind.startswith("value"):
        return ValueModel.from_arrays(model.arrays)
    if "attribute_names" in model.arrays:
        return AttributeChurn.from_arrays(model.arrays)
    return BehaviourChurn.from_arrays(model.arrays)


def kind_and_variant(model: TrainedModel) -> tuple[str, str]:
    """(churn or value, whom it speaks for)."""
    if model.kind.startswith("value"):
        return VALUE
    return ATTRIBUTES if "attribute_names" in model.arrays else BEHAVIOUR


class ModelShelf:
    """Keeps the serving models; looks at which are promoted before each use, so every process follows at once."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._ids: dict[tuple[str, str], UUID] = {}
        self._serving = priors()

    async def current(self, connection: asyncpg.Connection) -> Serving:
        """The models promoted as of this transaction."""
        ids = await model_versions.list_serving(connection)
        if ids != self._ids:
            self._serving = await self._load(connection, list(ids.values()))
            self._ids = ids
        return self._serving

    async def _load(self, connection: asyncpg.Connection, ids: list[UUID]) -> Serving:
        found: dict[str, Any] = {}
        for row in await model_versions.list_artefacts(connection, ids):
            try:
                model = loaded(open_signed(row["content"], row["signature"], self._key))
            except (ArtefactRejected, ValueError, KeyError) as error:
                # Scores from the prior are flagged as such; refusing every event would stop the loop.
                logger.error("%s/%s cannot serve, the prior does: %s", row["kind"], row["number"], error)
                continue
            part = "value" if row["kind"] == "value" else row["variant"]
            found |= {part: model, f"{part}_version": f"{row['kind']}/{row['number']}"}
            logger.info("%s/%s serves now", row["kind"], row["number"])
        start = priors()
        kept = {name: getattr(start, name) for name in ("behaviour", "attributes", "value")}
        return Serving(**(kept | found))
