"""What operators do with every service alike: look at jobs, replay or discard dead letters, set the virtual clock."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import text

from chassis import dead_letters
from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, encode_cursor
from chassis.dependencies import CallerIdentity, ReadSession, requires, service_of
from chassis.errors import Conflict, NotFound
from chassis.routing import Router, StrictModel
from chassis.service import ClockIsNotVirtual

operations_router = Router()

JobState = Literal["queued", "running", "succeeded", "failed"]
LetterState = Literal["buried", "replayed", "discarded"]
_LAST_ID = UUID(int=2**128 - 1)


class JobDoesNotExist(NotFound):
    """No job has this id."""

    code, title = "job_does_not_exist", "There is no such job"


class DeadLetterDoesNotExist(NotFound):
    """No buried event has this id."""

    code, title = "dead_letter_does_not_exist", "There is no such buried event"


class ReplayFailedAgain(Conflict):
    """The cause is still there."""

    code, title = "replay_failed", "The event failed again"


class ClockNotVirtual(Conflict):
    """The time on the wall cannot be set."""

    code, title = "clock_is_not_virtual", "The clock is not virtual"


class Job(BaseModel):
    """Long work and how far it is."""

    id: UUID
    service: str
    kind: str
    state: JobState
    done: int
    total: int | None
    result: dict[str, Any] | None
    error: str | None
    created_at: datetime
    updated_at: datetime


class DeadLetter(BaseModel):
    """An event a consumer could not apply; later events of its key wait behind it."""

    id: UUID
    service: str
    topic: str
    key: str
    event_id: UUID | None
    event_type: str | None
    error: str
    state: LetterState
    buried_at: datetime
    resolved_at: datetime | None
    parked_count: int


class DeadLetterDetail(DeadLetter):
    """A buried event with its envelope."""

    event: dict[str, Any] | str | None


class Resolved(BaseModel):
    """What became of a buried event, and how many events were applied, those parked behind it included."""

    id: UUID
    state: LetterState
    applied: int


class SetClock(StrictModel):
    """The business time to be."""

    at: AwareDatetime


class ClockReading(BaseModel):
    """Both clocks."""

    business_now: datetime
    system_now: datetime


_JOB = "SELECT id, kind, state, done, total, result::text AS result, error, created_at, updated_at FROM jobs"
_LETTER = (
    "SELECT id, topic, key, event_id, event_type, error, state, buried_at, resolved_at, payload, "
    "(SELECT count(*) FROM parked WHERE parked.consumer = letter.consumer AND parked.key = letter.key) AS parked_count "
    "FROM dead_letters AS letter"
)


@operations_router.get("/v1/jobs", dependencies=[requires("ops")])
async def list_jobs(
    request: Request, session: ReadSession, state: JobState | None = None, cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Job]:  # fmt: skip
    """List jobs, the latest first."""
    before, before_id = decode_cursor(cursor, datetime, UUID) if cursor else (None, _LAST_ID)
    rows = await session.execute(
        text(
            f"{_JOB} WHERE (created_at, id) < (coalesce(CAST(:before AS timestamptz), 'infinity'), CAST(:id AS uuid)) "
            "AND (CAST(:state AS text) IS NULL OR state = :state) ORDER BY created_at DESC, id DESC LIMIT :limit"
        ),
        {"before": before, "id": before_id, "state": state, "limit": limit + 1},
    )
    jobs = [_job(request, row) for row in rows]
    following = encode_cursor([jobs[limit - 1].created_at, jobs[limit - 1].id]) if len(jobs) > limit else None
    return Page(items=jobs[:limit], next_cursor=following)


@operations_router.get("/v1/jobs/{id}", dependencies=[requires()])
async def get_job(request: Request, session: ReadSession, id: UUID) -> Job:  # noqa: A002
    """Show a job; whoever was given its id may."""
    row = (await session.execute(text(f"{_JOB} WHERE id = :id"), {"id": id})).one_or_none()
    if row is None:
        raise JobDoesNotExist("No job has this id.")
    return _job(request, row)


@operations_router.get("/v1/dead-letters", dependencies=[requires("ops")])
async def list_dead_letters(
    request: Request, session: ReadSession, state: Annotated[LetterState, Query()] = "buried", cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[DeadLetter]:  # fmt: skip
    """List events that could not be applied, the oldest first."""
    after, after_id = decode_cursor(cursor, datetime, UUID) if cursor else (None, UUID(int=0))
    rows = await session.execute(
        text(
            f"{_LETTER} WHERE (buried_at, id) > "
            "(coalesce(CAST(:after AS timestamptz), '-infinity'), CAST(:id AS uuid)) "
            "AND state = :state ORDER BY buried_at, id LIMIT :limit"
        ),
        {"after": after, "id": after_id, "state": state, "limit": limit + 1},
    )
    letters = [DeadLetter(**_letter(request, row)) for row in rows]
    following = encode_cursor([letters[limit - 1].buried_at, letters[limit - 1].id]) if len(letters) > limit else None
    return Page(items=letters[:limit], next_cursor=following)


@operations_router.get("/v1/dead-letters/{id}", dependencies=[requires("ops")])
async def get_dead_letter(
    request: Request,
    session: ReadSession,
    identity: CallerIdentity,
    id: UUID,  # noqa: A002
) -> DeadLetterDetail:
    """Show an event that could not be applied; contact data only with the scope pii:read."""
    row = (await session.execute(text(f"{_LETTER} WHERE id = :id"), {"id": id})).one_or_none()
    if row is None:
        raise DeadLetterDoesNotExist("No buried event has this id.")
    hidden = row.topic == "customer-contact" and not identity.may("pii:read")
    return DeadLetterDetail(**_letter(request, row), event=None if hidden else _event(row.payload))


@operations_router.post("/v1/dead-letters/{id}/replay", dependencies=[requires("ops")])
async def replay_dead_letter(request: Request, id: UUID) -> Resolved:  # noqa: A002
    """Apply the event again, and then all that waits behind it, in order."""
    return await _resolve(request, id, state="replayed")


@operations_router.post("/v1/dead-letters/{id}/discard", dependencies=[requires("ops")])
async def discard_dead_letter(request: Request, id: UUID) -> Resolved:  # noqa: A002
    """Give the event up for good and apply what waits behind it."""
    return await _resolve(request, id, state="discarded")


@operations_router.get("/v1/backlog", dependencies=[requires("ops")])
async def read_backlog(request: Request) -> dict[str, int]:
    """Count what waits: events to publish and to read, jobs, and the service's own due work."""
    return await service_of(request).backlog()


@operations_router.get("/internal/clock", dependencies=[requires("admin")], include_in_schema=False)
async def read_clock(request: Request) -> ClockReading:
    """Tell both clocks."""
    clock = service_of(request).clock
    return ClockReading(business_now=clock.business_now(), system_now=clock.system_now())


@operations_router.put("/internal/clock", dependencies=[requires("admin")], include_in_schema=False)
async def set_clock(request: Request, body: SetClock) -> ClockReading:
    """Move business time; only where the clock is virtual."""
    try:
        await service_of(request).set_clock(body.at)
    except ClockIsNotVirtual as error:
        raise ClockNotVirtual("Start with STAVE_CLOCK=virtual to move business time.") from error
    return await read_clock(request)


async def _resolve(request: Request, letter_id: UUID, *, state: LetterState) -> Resolved:
    service = service_of(request)
    if service.consumer is None:
        raise DeadLetterDoesNotExist("This service consumes nothing.")
    act = dead_letters.replay if state == "replayed" else dead_letters.discard
    try:
        applied = await act(service.database, service.consumer, letter_id)
    except LookupError as error:
        raise DeadLetterDoesNotExist("No event with this id is buried at the moment.") from error
    except dead_letters.ReplayFailed as error:
        raise ReplayFailedAgain(str(error)) from error
    return Resolved(id=letter_id, state=state, applied=applied)


def _job(request: Request, row: Any) -> Job:
    result = None if row.result is None else json.loads(row.result)
    return Job(**{**row._mapping, "result": result}, service=service_of(request).name)


def _letter(request: Request, row: Any) -> dict[str, Any]:
    told = {name: value for name, value in row._mapping.items() if name != "payload"}
    return {**told, "service": service_of(request).name}


def _event(payload: bytes | None) -> dict[str, Any] | str | None:
    if payload is None:
        return None
    try:
        found = json.loads(payload)
    except ValueError:
        return bytes(payload).decode(errors="replace")
    return found if isinstance(found, dict) else str(found)
