"""Silence is a signal: customers whose next look is due are scored again though nothing happened.

One scheduler is active at a time, whoever holds the advisory lock. It wakes when customers are marked due, when the
clock is set, or when the next look comes; polling is only its safety net.
"""

import asyncio
from datetime import timedelta
from typing import Protocol

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.clock import Clock, VirtualClock
from chassis.database import raw_connection
from chassis.worker import Wake, pause
from scoring.domain.news import Cause
from scoring.parts import ScoringParts
from scoring.repository import alerts, customers, scores
from scoring.service.rescore import rescore

BATCH = 500
_LONGEST_SLEEP = timedelta(seconds=60)
_LOCK_RETRY_SECONDS = 0.5


class Scheduler:
    """The worker that scores by time."""

    name = "scoring-scheduler"

    def __init__(self, parts: ScoringParts, *, wakes: list[Wake]) -> None:
        self._parts = parts
        self._wakes = wakes

    async def run(self, stop: asyncio.Event) -> None:
        """Score who is due until told to stop."""
        connection = await self._parts.database.connect(purpose="scheduler")
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext('scoring_scheduler'), 0)"):
                if stop.is_set():
                    return
                await pause(stop, _LOCK_RETRY_SECONDS)
            while not stop.is_set():
                await follow_clock(connection, self._parts.clock)
                if not await score_due(self._parts) and not await open_waiting(self._parts):
                    await self._sleep(connection, stop)
        finally:
            connection.terminate()

    async def _sleep(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        seconds = (await self._time_to_next_look(connection)).total_seconds()
        waiting = [asyncio.create_task(wake.wait(max(seconds, 0.01))) for wake in self._wakes]
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({*waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (*waiting, stopping):
            task.cancel()
        await asyncio.gather(*waiting, stopping, return_exceptions=True)

    async def _time_to_next_look(self, connection: asyncpg.Connection) -> timedelta:
        clock = self._parts.clock
        now = clock.business_now()
        due_at, settled_at = await customers.next_due(connection, business_now=now)
        waits = [_LONGEST_SLEEP]
        if due_at is not None and not isinstance(clock, VirtualClock):
            waits.append(due_at - now)
        if settled_at is not None:
            waits.append(settled_at - clock.system_now())
        return max(min(waits), timedelta(0))


async def follow_clock(connection: asyncpg.Connection, clock: Clock) -> None:
    """Take virtual time from where it was set; our wake may be faster than our process's own follower."""
    if isinstance(clock, VirtualClock):
        found = await customers.business_time(connection)
        if found is not None:
            clock.set(found)


async def score_due(parts: ScoringParts) -> int:
    """Score one batch of those who are due; returns how many there were."""
    async with parts.database.write() as session:
        return await _score_due(session, parts)


async def _score_due(session: AsyncSession, parts: ScoringParts) -> int:
    connection = await raw_connection(session)
    due = await customers.claim_due(
        connection, business_now=parts.clock.business_now(), system_now=parts.clock.system_now(), limit=BATCH
    )
    survivors = await customers.resolve(connection, due)
    for merged in (customer for customer in due if survivors[customer] != customer):
        await customers.plan_next_looks(connection, [(merged, None)])
        del survivors[merged]
    await rescore(session, parts, {customer: Cause(due[customer]) for customer in survivors})
    return len(due)


async def open_waiting(parts: ScoringParts) -> int:
    """Open the most profitable alerts that wait since an import, as many as the business day still allows."""
    async with parts.database.write() as session:
        connection = await raw_connection(session)
        # Ranking makes sense only when everybody has been scored.
        if await customers.count_catching_up(connection):
            return 0
        chosen = await scores.list_waiting(connection, limit=min(BATCH, await turns_left(connection, parts)))
        await customers.lock(connection, chosen)
        await rescore(session, parts, dict.fromkeys(chosen, Cause.TURN))
        return len(chosen)


async def turns_left(connection: asyncpg.Connection, parts: ScoringParts) -> int:
    """How many more alerts history may open on this business day."""
    midnight = parts.clock.business_now().replace(hour=0, minute=0, second=0, microsecond=0)
    opened = await alerts.count_from_history(connection, since=midnight)
    return max(parts.settings.max_new_alerts_per_day - opened, 0)


class Gauge(Protocol):
    """A count of what waits."""

    async def __call__(self) -> int:
        """Count now."""


def gauges_of(parts: ScoringParts) -> dict[str, Gauge]:
    """What waits here: customers due for a score, and alerts that may be opened today."""

    async def due_customers() -> int:
        async with parts.database.read() as session:
            return await customers.count_due(await raw_connection(session), business_now=parts.clock.business_now())

    async def alerts_to_open() -> int:
        async with parts.database.read() as session:
            connection = await raw_connection(session)
            return min(await scores.count_waiting(connection), await turns_left(connection, parts))

    return {"due_customers": due_customers, "alerts_to_open": alerts_to_open}
