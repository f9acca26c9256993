"""A service put together: its HTTP app and its workers, on its database and the event log."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fastapi import APIRouter, FastAPI
from sqlalchemy import text

from chassis import outbox
from chassis.clock import Clock, VirtualClock
from chassis.consumer import Consumer, Subscriptions
from chassis.database import Database
from chassis.event_log import EventLog
from chassis.idempotency import IdempotencyPruner
from chassis.lag import LagSampler
from chassis.notify import Listener
from chassis.settings import Settings
from chassis.worker import Wake, Worker, WorkerGroup

CLOCK_CHANNEL = "stave_clock"

# A named count of work that is waiting, e.g. customers whose score is due.
Gauge = Callable[[], Awaitable[int]]


class ClockIsNotVirtual(Exception):
    """Somebody tried to set the time on the wall."""


@dataclass
class Service:
    """What runs: `app` answers requests, `workers` do the rest; either half can run alone."""

    name: str
    settings: Settings
    database: Database
    event_log: EventLog
    clock: Clock
    parts: Any
    workers: list[Worker]
    consumer: Consumer | None = None
    routers: Sequence[APIRouter] = ()
    jobs: Mapping[str, Any] = field(default_factory=dict)
    gauges: Mapping[str, Gauge] = field(default_factory=dict)
    draining: bool = False
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        from chassis.api import create_app

        self.app = create_app(self)
        self._group: WorkerGroup | None = None

    async def start(self, *, api: bool = True, worker: bool = True) -> None:
        """Open what is needed and start the workers; the app itself is served by whoever mounts it."""
        self.draining = False
        if isinstance(self.clock, VirtualClock):
            await self.load_clock()
        # An API without workers still follows the clock and hears of commits elsewhere.
        running = (
            self.workers if worker else [one for one in self.workers if isinstance(one, (Listener, ClockFollower))]
        )
        self._group = WorkerGroup(list(running))
        self._group.start()

    async def stop(self) -> None:
        """Finish what is in hand, then let go of everything."""
        self.draining = True
        if self._group is not None:
            await self._group.stop()
        await self.event_log.close()
        await self.database.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Service"]:
        """Started inside the block, stopped after it."""
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def backlog(self) -> dict[str, int]:
        """What waits: unpublished events, unread events, open jobs, buried events, and the service's own gauges."""
        async with self.database.read() as session:
            row = (await session.execute(text(_BACKLOG))).one()
        waiting = dict(row._mapping)
        if self.consumer is not None:
            behind = await self.event_log.lag(self.consumer.group, self.consumer.topics)
            waiting["unread_events"] = sum(lag.count for lag in behind)
        for name, count in self.gauges.items():
            waiting[name] = await count()
        return waiting

    async def set_clock(self, at: datetime) -> None:
        """Move business time for every process of this service. Raises ClockIsNotVirtual."""
        if not isinstance(self.clock, VirtualClock):
            raise ClockIsNotVirtual
        async with self.database.write() as session:
            await session.execute(
                text(
                    "INSERT INTO clock (business_now) VALUES (:at) "
                    "ON CONFLICT (one) DO UPDATE SET business_now = excluded.business_now"
                ),
                {"at": at},
            )
            await session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CLOCK_CHANNEL})
        self.clock.set(at)

    async def load_clock(self) -> None:
        """Take business time from where the last `set_clock` left it."""
        async with self.database.read() as session:
            found = await session.scalar(text("SELECT business_now FROM clock"))
        if found is not None and isinstance(self.clock, VirtualClock):
            self.clock.set(found)


_BACKLOG = """
SELECT (SELECT count(*) FROM outbox) AS unpublished_events,
       (SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')) AS open_jobs,
       (SELECT count(*) FROM dead_letters WHERE state = 'buried') AS buried_events
"""


class ClockFollower:
    """Keeps this process's virtual clock at what another process set."""

    def __init__(self, name: str, wake: Wake) -> None:
        self.name = f"{name}-clock"
        self._wake = wake
        self.service: Service | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until told to stop."""
        while not stop.is_set():
            waiting = asyncio.create_task(self._wake.wait(60))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (waiting, stopping):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            if self.service is not None and not stop.is_set():
                await self.service.load_clock()


def assemble(
    *,
    name: str,
    settings: Settings,
    parts: Any,
    database: Database,
    event_log: EventLog,
    clock: Clock,
    routers: Sequence[APIRouter],
    subscriptions: Subscriptions | None = None,
    jobs: Mapping[str, Any] | None = None,
    workers: Sequence[Worker] = (),
    listener: Listener | None = None,
    gauges: Mapping[str, Gauge] | None = None,
) -> Service:
    """Put a service together with what every service has: relay, consumer, job runner, listener, clock.

    `listener` is passed by services whose own workers wake on a channel of their database; `gauges` count what of
    theirs is waiting, for `GET /v1/backlog`.
    """
    from chassis.jobs import CHANNEL as JOBS_CHANNEL
    from chassis.jobs import JobRunner

    listener = listener or Listener(database)
    database.before_commit(outbox.write_outbox)
    relay = outbox.Relay(database, event_log, listener.wake_on(outbox.CHANNEL))
    everyone: list[Worker] = [listener, relay]
    consumer = None
    if subscriptions:
        consumer = Consumer(name, database=database, event_log=event_log, subscriptions=subscriptions, parts=parts)
        everyone += [consumer, LagSampler(name, event_log=event_log, topics=consumer.topics)]
    everyone.append(IdempotencyPruner(database))
    if jobs:
        everyone.append(JobRunner(name, database=database, jobs=jobs, parts=parts, wake=listener.wake_on(JOBS_CHANNEL)))
    follower = ClockFollower(name, listener.wake_on(CLOCK_CHANNEL)) if isinstance(clock, VirtualClock) else None
    if follower is not None:
        everyone.append(follower)
    service = Service(
        name=name, settings=settings, database=database, event_log=event_log, clock=clock, parts=parts,
        workers=[*everyone, *workers], consumer=consumer, routers=routers, jobs=jobs or {},
        gauges=gauges or {},
    )  # fmt: skip
    if follower is not None:
        follower.service = service
    return service
