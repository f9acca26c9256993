"""Whether the gateway lives, and whether it and all that stands behind it should get traffic; and its metrics."""

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from chassis.dependencies import RequiredScopes, caller_identity
from gateway.parts import PartsDep
from gateway.upstreams import Upstream, ask

_ANSWER_WITHIN_SECONDS = 2.0

health_router = APIRouter()


class Health(BaseModel):
    """What a probe is told."""

    status: str
    checks: dict[str, str] = {}


@health_router.get("/health/live")
async def live() -> Health:
    """The process answers; what it depends on is not asked, or an outage would have it restarted."""
    return Health(status="ok")


@health_router.get("/health/ready", responses={503: {"model": Health, "description": "Send no traffic"}})
async def ready(parts: PartsDep) -> JSONResponse:
    """Whether the gateway and every service can serve requests."""
    questions = {"database": parts.database.answers()} | {
        name: _is_ready(upstream) for name, upstream in parts.services.items()
    }
    answers = await asyncio.gather(*(_answers(question) for question in questions.values()))
    checks = {name: "ok" if fit else "unavailable" for name, fit in zip(questions, answers, strict=True)}
    fit = all(answers) and not parts.draining
    checks["draining"] = "yes" if parts.draining else "no"
    health = Health(status="ok" if fit else "unavailable", checks=checks)
    return JSONResponse(health.model_dump(), status_code=200 if fit else 503)


async def _may_see_metrics(request: Request, parts: PartsDep) -> None:
    if not parts.settings.metrics_open:
        await RequiredScopes(frozenset({"ops"}))(await caller_identity(request))


@health_router.get("/metrics", dependencies=[Depends(_may_see_metrics)], response_class=Response)
async def metrics() -> Response:
    """Metrics of the process in the Prometheus text format; for the scope ops, unless STAVE_METRICS_OPEN is set."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _is_ready(upstream: Upstream) -> bool:
    return (await ask(upstream, "GET", "/health/ready")).status == 200


async def _answers(question: Awaitable[bool]) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_SECONDS):
            return await question
    # Whatever keeps it from answering, the answer is no.
    except Exception:
        return False
