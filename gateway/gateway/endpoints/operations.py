"""Operations across the services: jobs, dead letters, and the virtual clock."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from fastapi import Request

from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page, encode_cursor
from chassis.dependencies import requires
from chassis.operations import DeadLetter, DeadLetterDetail, Job, JobState, LetterState, Resolved
from chassis.routing import Router
from gateway.errors import DeadLetterDoesNotExist, JobDoesNotExist
from gateway.fan_out import ask_each, headers_of, problem_in, require_success
from gateway.parts import GatewayParts, PartsDep
from gateway.schemas import ClockReading, ServiceName, SetClock
from gateway.upstreams import Answer, Upstream, ask

operations_router = Router()


@operations_router.get("/v1/jobs", dependencies=[requires("ops")])
async def list_jobs(
    request: Request, parts: PartsDep, service: ServiceName | None = None, state: JobState | None = None,
    *, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT,
) -> Page[Job]:  # fmt: skip
    """List the jobs of all services, or of one, the latest first."""
    query = _query(state=state, cursor=cursor, limit=limit)
    pages = await _pages(request, _asked(parts, service), "/v1/jobs", query)
    return Page[Job].model_validate(_one_page(pages, by="created_at", limit=limit, descending=True))


@operations_router.get("/v1/jobs/{id}", dependencies=[requires()])
async def get_job(request: Request, parts: PartsDep, id: UUID) -> Job:  # noqa: A002
    """Show a job of any service; whoever was given its id may."""
    found = await _find(request, parts, f"/v1/jobs/{id}")
    if found is None:
        raise JobDoesNotExist("No service has a job with this id.")
    return Job.model_validate(found[1].json())


@operations_router.get("/v1/dead-letters", dependencies=[requires("ops")])
async def list_dead_letters(
    request: Request, parts: PartsDep, service: ServiceName | None = None, state: LetterState = "buried",
    *, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT,
) -> Page[DeadLetter]:  # fmt: skip
    """List the events that services could not apply, the oldest first."""
    query = _query(state=state, cursor=cursor, limit=limit)
    pages = await _pages(request, _asked(parts, service), "/v1/dead-letters", query)
    return Page[DeadLetter].model_validate(_one_page(pages, by="buried_at", limit=limit, descending=False))


@operations_router.get("/v1/dead-letters/{id}", dependencies=[requires("ops")])
async def get_dead_letter(request: Request, parts: PartsDep, id: UUID) -> DeadLetterDetail:  # noqa: A002
    """Show an event that could not be applied, with its envelope."""
    _, answer = await _find_letter(request, parts, id)
    return DeadLetterDetail.model_validate(answer.json())


@operations_router.post("/v1/dead-letters/{id}/replay", dependencies=[requires("ops")])
async def replay_dead_letter(request: Request, parts: PartsDep, id: UUID) -> Resolved:  # noqa: A002
    """Apply the event again, and then all that waits behind it, in order."""
    return await _resolve(request, parts, id, verb="replay")


@operations_router.post("/v1/dead-letters/{id}/discard", dependencies=[requires("ops")])
async def discard_dead_letter(request: Request, parts: PartsDep, id: UUID) -> Resolved:  # noqa: A002
    """Give the event up for good and apply what waits behind it."""
    return await _resolve(request, parts, id, verb="discard")


@operations_router.get("/v1/backlog", dependencies=[requires("ops")])
async def read_backlog(request: Request, parts: PartsDep) -> dict[str, dict[str, int]]:
    """Count what waits in each service: events to publish and to read, jobs, due work; all zero when it is at rest."""
    answers = await ask_each(parts.services, "GET", "/v1/backlog", headers=headers_of(request))
    require_success(answers)
    return {name: answer.json() for name, answer in answers.items()}


@operations_router.get("/v1/clock", dependencies=[requires("admin")])
async def read_clock(request: Request, parts: PartsDep) -> ClockReading:
    """Tell business time and the time on the wall."""
    return await _clock(request, parts, "GET", b"")


@operations_router.put("/v1/clock", dependencies=[requires("admin")])
async def set_clock(request: Request, parts: PartsDep, body: SetClock) -> ClockReading:
    """Move business time in every service, where the clock is virtual; safe to repeat when a service was missed."""
    return await _clock(request, parts, "PUT", msgspec.json.encode({"at": body.at.isoformat()}))


async def _clock(request: Request, parts: GatewayParts, method: str, body: bytes) -> ClockReading:
    answers = await ask_each(parts.services, method, "/internal/clock", headers=headers_of(request), body=body)
    require_success(answers)
    times = {name: datetime.fromisoformat(answer.json()["business_now"]) for name, answer in answers.items()}
    return ClockReading(business_now=min(times.values()), system_now=parts.clock.system_now(), services=times)


def _asked(parts: GatewayParts, service: str | None) -> Mapping[str, Upstream]:
    return parts.services if service is None else {service: parts.services[service]}


def _query(**parameters: Any) -> str:
    return urlencode({name: value for name, value in parameters.items() if value is not None})


async def _pages(request: Request, services: Mapping[str, Upstream], path: str, query: str) -> list[dict[str, Any]]:
    answers = await ask_each(services, "GET", path, query=query, headers=headers_of(request))
    require_success(answers)
    return [answer.json() for answer in answers.values()]


def _one_page(
    pages: list[dict[str, Any]], *, by: Literal["created_at", "buried_at"], limit: int, descending: bool
) -> dict[str, Any]:
    """The services' pages as one.

    Every service pages by (time, id), so the place of the last item shown is a cursor that means the same in each.
    """
    items = [item for page in pages for item in page["items"]]
    items.sort(key=lambda item: (datetime.fromisoformat(item[by]), UUID(item["id"])), reverse=descending)
    shown = items[:limit]
    more = len(items) > limit or any(page["next_cursor"] for page in pages)
    return {"items": shown, "next_cursor": encode_cursor([shown[-1][by], shown[-1]["id"]]) if more else None}


async def _find(request: Request, parts: GatewayParts, path: str) -> tuple[Upstream, Answer] | None:
    """The service that knows a thing, and what it says of it."""
    answers = await ask_each(parts.services, "GET", path, headers=headers_of(request))
    return next(((parts.services[name], answer) for name, answer in answers.items() if answer.status == 200), None)


async def _find_letter(request: Request, parts: GatewayParts, letter_id: UUID) -> tuple[Upstream, Answer]:
    found = await _find(request, parts, f"/v1/dead-letters/{letter_id}")
    if found is None:
        raise DeadLetterDoesNotExist("No service has buried an event with this id.")
    return found


async def _resolve(request: Request, parts: GatewayParts, letter_id: UUID, *, verb: str) -> Resolved:
    upstream, _ = await _find_letter(request, parts, letter_id)
    answer = await ask(upstream, "POST", f"/v1/dead-letters/{letter_id}/{verb}", headers=headers_of(request))
    if answer.status >= 400:
        raise problem_in(answer)
    return Resolved.model_validate(answer.json())
