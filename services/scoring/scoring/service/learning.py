"""Keeping models: registering what was trained and choosing which version serves."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from chassis.database import raw_connection
from chassis.outbox import publish
from contracts.scoring import ModelPromoted
from scoring.domain.artefact import SignedArtefact, TrainedModel
from scoring.errors import ModelDoesNotExist
from scoring.models import ModelRow
from scoring.parts import ScoringParts
from scoring.repository import customers, model_versions
from scoring.serving import kind_and_variant


async def register(
    session: AsyncSession, parts: ScoringParts, model: TrainedModel, artefact: SignedArtefact,
    *, parameters: dict[str, Any],
) -> ModelRow:  # fmt: skip
    """Store a model as a candidate; the same bytes are registered once."""
    connection = await raw_connection(session)
    kind, variant = kind_and_variant(model)
    found = await model_versions.find_by_content(connection, kind=kind, sha256=artefact.sha256)
    if found is not None:
        return found
    described = {
        "id": uuid7(), "kind": kind, "variant": variant, "report": model.report, "parameters": parameters,
        "data_hash": str(model.report.get("data_hash", "")), "created_at": parts.clock.system_now(),
    }  # fmt: skip
    return await model_versions.add(connection, described, artefact)


async def promote(session: AsyncSession, parts: ScoringParts, model_id: UUID) -> ModelRow:
    """Let a version serve; everybody is scored by it, which is history, not news."""
    connection = await raw_connection(session)
    found = await model_versions.find(connection, model_id)
    if found is None:
        raise ModelDoesNotExist(f"There is no model {model_id}.")
    if found.state == "champion":
        return found
    model = await model_versions.promote(connection, found, at=parts.clock.system_now())
    await customers.mark_all_due(connection, due_at=parts.clock.business_now())
    publish(
        session,
        ModelPromoted(
            model=model.version, kind=model.kind, promoted_at=parts.clock.business_now(), metrics=metrics_of(model)
        ),
    )
    return model


def metrics_of(model: ModelRow) -> dict[str, float | None]:
    """The figures of a report that are plain numbers."""
    return {name: value for name, value in figures_of(model).items() if value is None or isinstance(value, int | float)}


def figures_of(model: ModelRow) -> dict[str, Any]:
    """How good a model is: judged in time where that was possible, else out of fold."""
    figures: dict[str, Any] = model.report.get("metrics") or model.report.get("out_of_fold") or {}
    return figures
