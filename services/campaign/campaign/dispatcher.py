"""The dispatcher: claims what is due, sends it outside any transaction, and has each attempt recorded.

At least once: a delivery is leased, not removed, so one that a dying process had in hand is sent again when the lease
runs out. Its message id stays the same, and so the receiver applies it once.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from campaign.channels.email import EmailSender
from campaign.channels.webhook import Endpoint, WebhookSender
from campaign.domain.retries import Attempt
from campaign.lanes import Breaker, Lane, Pace
from campaign.parts import CampaignParts
from campaign.recorder import Recorder, Tried
from campaign.repository import deliveries as delivery_rows
from campaign.repository import webhook_endpoints as endpoint_rows
from campaign.repository.query import Row
from chassis.database import is_transient
from chassis.worker import Wake

logger = logging.getLogger(__name__)

EMAIL_LANE = "email"
_EMAILS_AT_ONCE = 4
_SHORTEST_SECONDS = 0.005
_SAFETY_SECONDS = 30.0
_DATABASE_RETRY_SECONDS = 1.0
# What a dispatcher holds it goes on leasing; what one held that died is free again after this.
_LEASE = timedelta(seconds=15)
_RENEW_AFTER_SECONDS = 4.0
# Who takes longer than this when we stop is sent to again by the next dispatcher.
_GRACE_SECONDS = 5.0


class Dispatcher:
    """A worker; several may run at once, on one machine or many."""

    def __init__(self, parts: CampaignParts, wake: Wake) -> None:
        settings = parts.settings
        self.name = "campaign-dispatcher"
        self._parts = parts
        self._wake = wake
        self._webhooks = WebhookSender(parts.guard, parts.clock, timeout=settings.webhook_timeout)
        self._emails = EmailSender(settings, parts.database, parts.clock)
        self._recorder = Recorder(parts, on_recorded=self._on_recorded)
        self._held: set[UUID] = set()
        self._renewed_at = 0.0
        self._next_due_at: datetime | None = None
        self._lanes: dict[str, Lane] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._keys: dict[tuple[UUID, bytes], str] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is due until told to stop, then finish what is under way."""
        self._stopping = False
        recording = asyncio.create_task(self._recorder.run())
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._look()
                await self._pause(stopping)
            self._stopping = True
            await self._finish()
        finally:
            stopping.cancel()
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            self._recorder.close()
            await recording
            self._lanes.clear()
            self._held.clear()
            await self._webhooks.close()

    async def _look(self) -> None:
        try:
            await self._renew()
            await self._claim()
        except Exception as error:
            if not is_transient(error):
                raise
            # What is under way goes on; it is recorded when the database is back.
            logger.warning("the dispatcher waits for its database: %s", type(error).__name__)
            self._next_due_at = self._parts.clock.system_now() + timedelta(seconds=_DATABASE_RETRY_SECONDS)
        self._start_all()

    async def _renew(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._held or now - self._renewed_at < _RENEW_AFTER_SECONDS:
            return
        async with self._parts.database.write() as session:
            await delivery_rows.renew(session, list(self._held), until=self._parts.clock.system_now() + _LEASE)
        self._renewed_at = now

    def _on_recorded(self, delivery_ids: Sequence[UUID], *, some_again: bool) -> None:
        self._held.difference_update(delivery_ids)
        if some_again:
            self._wake.set()

    async def _pause(self, stopping: asyncio.Task[bool]) -> None:
        waiting = asyncio.create_task(self._wake.wait(self._seconds_to_next()))
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    def _seconds_to_next(self) -> float:
        """Until the next look that nobody wakes us for."""
        now = asyncio.get_running_loop().time()
        waits = [_SAFETY_SECONDS, self._recorder.seconds_to_next()]
        waits.extend(lane.seconds_to_room(now) for lane in self._lanes.values())
        if self._held:
            waits.append(_RENEW_AFTER_SECONDS)
        if self._next_due_at is not None:
            waits.append((self._next_due_at - self._parts.clock.system_now()).total_seconds())
        return max(min(waits), _SHORTEST_SECONDS)

    async def _finish(self) -> None:
        unsent = [row for lane in self._lanes.values() for row in lane.queue]
        for lane in self._lanes.values():
            lane.queue.clear()
        await self._release(unsent)
        if self._sending:
            await asyncio.wait(self._sending, timeout=_GRACE_SECONDS)

    async def _claim(self) -> None:
        now, loop_now = self._parts.clock.system_now(), asyncio.get_running_loop().time()
        async with self._parts.database.write() as session:
            self._note_endpoints(await endpoint_rows.list_reachable_endpoints(session, now=now))
            room = {key: lane.room(loop_now) for key, lane in self._lanes.items()}
            room = {key: count for key, count in room.items() if count > 0}
            claimed = await delivery_rows.claim_due(session, room, now=now, until=now + _LEASE) if room else []
            filled = Counter(row["lane"] for row in claimed)
            drained = [key for key, count in room.items() if filled[key] < count]
            next_due_at = await delivery_rows.next_due(session, drained, now=now) if drained else None
        self._next_due_at = next_due_at
        for row in claimed:
            self._held.add(row["id"])
            self._lanes[row["lane"]].queue.append(row)
        for key, lane in self._lanes.items():
            lane.may_have_more = key not in drained

    def _note_endpoints(self, rows: Sequence[Row]) -> None:
        """Know the endpoints as they are now: a lane for each, the keys that sign at this moment."""
        settings = self._parts.settings
        self._endpoints = {
            str(row["id"]): Endpoint(
                row["id"], row["url"], row["payload"], [self._key(row["id"], one) for one in row["sealed"]]
            )
            for row in rows
        }
        wanted = dict.fromkeys(self._endpoints, settings.webhook_concurrency) | {EMAIL_LANE: _EMAILS_AT_ONCE}
        for key, limit in wanted.items():
            if key not in self._lanes:
                pause = settings.webhook_breaker_pause.total_seconds()
                self._lanes[key] = Lane(
                    limit, Breaker(settings.webhook_breaker_failures, pause), Pace(settings.webhook_rate)
                )
        for key in [key for key, lane in self._lanes.items() if key not in wanted and not lane.in_flight]:
            del self._lanes[key]

    def _key(self, endpoint_id: UUID, sealed: bytes) -> str:
        if (endpoint_id, sealed) not in self._keys:
            if len(self._keys) > 10_000:
                self._keys.clear()
            self._keys[endpoint_id, sealed] = self._parts.seal.open(sealed, context=endpoint_id.bytes)
        return self._keys[endpoint_id, sealed]

    def _start_all(self) -> None:
        for key, lane in self._lanes.items():
            self._start(key, lane)

    def _start(self, key: str, lane: Lane) -> None:
        now = asyncio.get_running_loop().time()
        while not self._stopping and (row := lane.next(now)) is not None:
            task = asyncio.create_task(self._try(key, lane, row))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _try(self, key: str, lane: Lane, row: Row) -> None:
        succeeded = False
        try:
            attempt = await self._send(key, row)
            succeeded = attempt.error is None
            self._recorder.add(Tried(row, attempt))
        except Exception:
            # Not a failure of the receiver: the lease runs out and it is tried again.
            self._held.discard(row["id"])
            logger.exception("delivery %s could not be tried", row["id"])
        finally:
            stranded = lane.finish(succeeded=succeeded, now=asyncio.get_running_loop().time())
        await self._release(stranded)
        self._start(key, lane)
        if lane.breaker.tripped or (lane.may_have_more and not lane.queue):
            self._wake.set()

    async def _send(self, key: str, row: Row) -> Attempt:
        if row["channel"] == EMAIL_LANE:
            return await self._emails.send(delivery_id=row["id"], decision_id=row["decision_id"])
        endpoint = self._endpoints.get(key)
        if endpoint is None:
            return Attempt(self._parts.clock.system_now(), 0, error="the endpoint was disabled")
        return await self._webhooks.send(endpoint, message_id=row["event_id"], body=row["body"])

    async def _release(self, rows: Sequence[Row]) -> None:
        if rows:
            self._held.difference_update(row["id"] for row in rows)
            async with self._parts.database.write() as session:
                await delivery_rows.release(session, [row["id"] for row in rows])
