"""Whether a process lives, and whether it should get traffic; and its metrics."""

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from chassis.dependencies import service_of

_ANSWER_WITHIN_SECONDS = 1.0

# Open to probes, which carry no identity; the gateway does not route here.
health_router = APIRouter(include_in_schema=False)


@health_router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers; whatever it depends on is not asked, or an outage would have it restarted."""
    return {"status": "ok"}


@health_router.get("/health/ready")
async def ready(request: Request) -> JSONResponse:
    """Whether requests can be served. Writes wait in the outbox while the event log is down: reported, not decisive."""
    service = service_of(request)
    database, event_log = await asyncio.gather(
        _answers(service.database.answers()), _answers(service.event_log.answers())
    )
    checks = {
        "database": "ok" if database else "unreachable",
        "event_log": "ok" if event_log else "unreachable",
        "draining": "yes" if service.draining else "no",
    }
    fit = database and not service.draining
    status = "ok" if fit else "unavailable"
    return JSONResponse({"status": status, "service": service.name, "checks": checks}, status_code=200 if fit else 503)


@health_router.get("/metrics")
async def metrics() -> Response:
    """The metrics of this process, in the Prometheus text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _answers(question: Awaitable[bool]) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_SECONDS):
            return await question
    # Whatever keeps it from answering, the answer is no; the probe's body says which part.
    except Exception:
        return False
