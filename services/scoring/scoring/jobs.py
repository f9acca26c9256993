"""Long work: training in a child process, and scoring everybody again."""

import asyncio
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from chassis.database import raw_connection
from chassis.jobs import JobFailed, JobFunction, JobHandle, run_in_child
from scoring.domain.activity import day_number
from scoring.domain.artefact import TrainedModel, sign
from scoring.fitting import Fitted, Material, Wishes, fit_churn, fit_value
from scoring.models import ModelRow
from scoring.parts import ScoringParts
from scoring.repository import activity, customers
from scoring.service import learning

_LOOK_EVERY_SECONDS = 0.1

Fit = Callable[[Material, Wishes], Fitted]


async def train_churn(job: JobHandle, parts: ScoringParts) -> dict[str, Any]:
    """Fit churn, from behaviour and under contract."""
    return await _train(job, parts, fit_churn)


async def train_value(job: JobHandle, parts: ScoringParts) -> dict[str, Any]:
    """Fit the expected margin."""
    return await _train(job, parts, fit_value)


async def refresh_scores(job: JobHandle, parts: ScoringParts) -> dict[str, Any]:
    """Mark everybody as due and watch the scheduler score them."""
    async with parts.database.write() as session:
        connection = await raw_connection(session)
        total = await customers.mark_all_due(connection, due_at=parts.clock.business_now())
    while left := await _left(parts):
        await job.progress(max(total - left, 0), total)
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
    await job.progress(total, total)
    return {"scored": total}


async def _left(parts: ScoringParts) -> int:
    async with parts.database.read() as session:
        return await customers.count_catching_up(await raw_connection(session))


async def _train(job: JobHandle, parts: ScoringParts, fit: Fit) -> dict[str, Any]:
    """Load, fit in a child, register, promote. Repeating it registers the same bytes once."""
    await job.progress(0, 3)
    material = await _material(parts, job.parameters.get("as_of"))
    await job.progress(1, 3)
    fitted = await run_in_child(fit, material, _wishes(job.parameters))
    if not fitted.models:
        raise JobFailed(" ".join(fitted.refusals))
    await job.progress(2, 3)
    kept = [await _keep(parts, model, job.parameters) for model in fitted.models]
    await job.progress(3, 3)
    return {"models": [_told(model) for model in kept], "not_trained": list(fitted.refusals)}


async def _material(parts: ScoringParts, as_of: str | None) -> Material:
    """Everything known at the end of a day; by default yesterday, as today is not over."""
    async with parts.database.read() as session:
        connection = await raw_connection(session)
        everybody, table = await activity.load_everybody(connection)
        traits = await customers.list_traits(connection, everybody)
    today = parts.clock.business_now().date()
    until = day_number(date.fromisoformat(as_of) if as_of else today - timedelta(days=1))
    table = table.known_at(until)
    attributes = [traits[customer][0] if customer in traits else {} for customer in everybody]
    return Material(table, attributes, min(until, table.last_day) if table.day.size else until)


def _wishes(parameters: dict[str, Any]) -> Wishes:
    cuts = parameters.get("cuts")
    days = None if not cuts else tuple(day_number(date.fromisoformat(cut)) for cut in cuts)
    return Wishes(parameters.get("horizon_days"), days)


async def _keep(parts: ScoringParts, model: TrainedModel, parameters: dict[str, Any]) -> ModelRow:
    async with parts.database.write() as session:
        row = await learning.register(session, parts, model, sign(model, parts.settings.key), parameters=parameters)
        return await learning.promote(session, parts, row.id) if parameters.get("promote", True) else row


def _told(model: ModelRow) -> dict[str, Any]:
    return {
        "id": str(model.id), "version": model.version, "variant": model.variant, "state": model.state,
        "metrics": learning.metrics_of(model),
    }  # fmt: skip


JOBS: dict[str, JobFunction] = {
    "train_churn": train_churn,
    "train_value": train_value,
    "refresh_scores": refresh_scores,
}
