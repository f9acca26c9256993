"""Long work as durable jobs: queued in the caller's transaction, run once at a time, resumed when a runner dies."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from chassis.child import ChildDied, run_in_child
from chassis.database import Database, is_transient
from chassis.errors import Problem
from chassis.telemetry import JOBS
from chassis.trace import continue_trace, current_trace
from chassis.worker import Wake, pause

__all__ = ["CHANNEL", "ChildDied", "JobFailed", "JobFunction", "JobHandle", "JobRunner", "enqueue_job", "run_in_child"]

logger = logging.getLogger(__name__)

CHANNEL = "stave_jobs"
MAX_ATTEMPTS = 3
# A job that takes its process down with it is not retried for ever.
MAX_STARTS = 10
_AT_ONCE = 4
_SAFETY_SECONDS = 5.0
_PROGRESS_EVERY_SECONDS = 0.5


class JobFailed(Exception):
    """The job cannot succeed, and trying again would not help; the text is shown to whoever asked for it."""


async def enqueue_job(session: AsyncSession, kind: str, parameters: Mapping[str, Any] | None = None) -> UUID:
    """Queue a job if, and only if, the session's transaction commits; returns its id."""
    job_id: UUID = uuid7()
    await session.execute(
        text(
            "WITH added AS (INSERT INTO jobs (id, kind, parameters, traceparent) "
            "VALUES (:id, :kind, CAST(:parameters AS jsonb), :traceparent)) SELECT pg_notify(:channel, '')"
        ),
        {
            "id": job_id, "kind": kind, "parameters": json.dumps(parameters or {}, default=str, allow_nan=False),
            "traceparent": current_trace().traceparent, "channel": CHANNEL,
        },
    )  # fmt: skip
    return job_id


@dataclass
class JobHandle:
    """A running job, as its function sees it. A resumed one starts anew: its steps must bear repeating."""

    id: UUID
    kind: str
    parameters: dict[str, Any]
    attempt: int
    _database: Database
    _told_at: float = 0.0

    async def progress(self, done: int, total: int | None = None) -> None:
        """Tell how far it is; written at most twice a second."""
        now = time.monotonic()
        if now - self._told_at < _PROGRESS_EVERY_SECONDS and done != total:
            return
        self._told_at = now
        await self._update("done = :done, total = coalesce(CAST(:total AS bigint), total)", done=done, total=total)

    async def _update(self, assignments: str, **values: Any) -> bool:
        """Change the row while the job is still this attempt's."""
        async with self._database.write() as session:
            changed = await session.scalar(
                text(
                    f"UPDATE jobs SET {assignments}, updated_at = clock_timestamp() "
                    "WHERE id = :id AND state = 'running' AND attempts = :attempt RETURNING true"
                ),
                {"id": self.id, "attempt": self.attempt, **values},
            )
        return bool(changed)

    async def finish(self, state: str, *, result: dict[str, Any] | None = None, error: str | None = None) -> None:
        """Record the outcome."""
        stored = None if result is None else json.dumps(result, default=str, allow_nan=False)
        if await self._update(
            "state = :state, result = CAST(:result AS jsonb), error = :error, finished_at = clock_timestamp()",
            state=state, result=stored, error=error,
        ):  # fmt: skip
            JOBS.labels(self._database.name, self.kind, state).inc()

    async def give_back(self, *, counts: bool) -> None:
        """Queue it again; an attempt that was not its own fault does not count."""
        await self._update("state = 'queued', attempts = attempts - CAST(:refund AS int)", refund=0 if counts else 1)


JobFunction = Callable[[JobHandle, Any], Awaitable[dict[str, Any] | None]]


class JobRunner:
    """Runs a service's jobs, a few at once; each is held by an advisory lock that dies with the runner's connection."""

    def __init__(
        self, name: str, *, database: Database, jobs: Mapping[str, JobFunction], parts: Any, wake: Wake
    ) -> None:
        self.name = f"{name}-jobs"
        self._database = database
        self._jobs = jobs
        self._parts = parts
        self._wake = wake
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Run jobs until told to stop; what is unfinished then is queued again."""
        connection = await self._database.connect(purpose="jobs")
        # Without its connection the runner has no locks any more, and another one may already run the same job.
        connection.add_termination_listener(lambda _connection: self._wake.set())
        try:
            while not stop.is_set():
                await self._release_finished(connection)
                await self._start_open(connection)
                await self._wait(stop)
        finally:
            await self._abandon()
            connection.terminate()

    async def _start_open(self, connection: asyncpg.Connection) -> None:
        rows = await connection.fetch(
            "SELECT id FROM jobs WHERE state IN ('queued', 'running') AND kind = ANY($1::text[]) AND "
            "id <> ALL($2::uuid[]) ORDER BY created_at LIMIT 50",
            list(self._jobs), list(self._tasks), timeout=10,
        )  # fmt: skip
        for row in rows:
            if len(self._tasks) >= _AT_ONCE:
                return
            if await connection.fetchval(f"SELECT pg_try_advisory_lock({_LOCK})", row["id"], timeout=10):
                self._tasks[row["id"]] = asyncio.create_task(self._run_one(row["id"]), name=f"{self.name}-{row['id']}")

    async def _release_finished(self, connection: asyncpg.Connection) -> None:
        for job_id in [job_id for job_id, task in self._tasks.items() if task.done()]:
            error = self._tasks.pop(job_id).exception()
            if error is not None:
                logger.warning("job %s could not be recorded: %s", job_id, type(error).__name__, exc_info=error)
            await connection.execute(f"SELECT pg_advisory_unlock({_LOCK})", job_id, timeout=10)

    async def _wait(self, stop: asyncio.Event) -> None:
        signals = [asyncio.create_task(self._wake.wait(_SAFETY_SECONDS)), asyncio.create_task(stop.wait())]
        await asyncio.wait([*signals, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED)
        for task in signals:
            task.cancel()
        await asyncio.gather(*signals, return_exceptions=True)

    async def _abandon(self) -> None:
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_one(self, job_id: UUID) -> None:
        begun = await self._begin(job_id)
        if begun is None:
            return
        job, traceparent = begun
        if job.attempt > MAX_STARTS:
            await job.finish("failed", error=f"Its process ended {MAX_STARTS} times before it was done.")
            return
        try:
            with continue_trace(traceparent):
                result = await self._jobs[job.kind](job, self._parts)
                await job.finish("succeeded", result=result or {})
        except asyncio.CancelledError:
            # Best effort: a job left `running` is taken up by whoever gets its lock.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(asyncio.shield(job.give_back(counts=False)), 3)
            raise
        except (JobFailed, Problem) as error:
            await job.finish("failed", error=str(error) or type(error).__name__)
        except Exception as error:
            await self._retry_or_fail(job, error)

    async def _retry_or_fail(self, job: JobHandle, error: Exception) -> None:
        logger.error("job %s (%s) failed at attempt %d", job.id, job.kind, job.attempt, exc_info=error)
        if is_transient(error):
            await pause(asyncio.Event(), 1.0)
            await job.give_back(counts=False)
        elif job.attempt < MAX_ATTEMPTS:
            await pause(asyncio.Event(), float(job.attempt))
            await job.give_back(counts=True)
        else:
            await job.finish("failed", error=f"It failed {job.attempt} times; the log tells more under this job's id.")

    async def _begin(self, job_id: UUID) -> tuple[JobHandle, str | None] | None:
        """Mark a job as running; None when somebody has finished it in the meantime."""
        async with self._database.write() as session:
            found = await session.execute(
                text(
                    "UPDATE jobs SET state = 'running', attempts = attempts + 1, done = 0, "
                    "started_at = coalesce(started_at, clock_timestamp()), updated_at = clock_timestamp() "
                    "WHERE id = :id AND state IN ('queued', 'running') "
                    "RETURNING kind, parameters::text AS parameters, attempts, traceparent"
                ),
                {"id": job_id},
            )
            row = found.one_or_none()
        if row is None:
            return None
        job = JobHandle(job_id, row.kind, json.loads(row.parameters), row.attempts, self._database)
        return job, row.traceparent


_LOCK = "hashtextextended('stave_job/' || $1::uuid::text, 0)"
