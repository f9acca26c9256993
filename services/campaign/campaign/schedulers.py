"""Work by the clock: deferred actions whose time has come, and the end of what is kept long enough."""

import asyncio
from datetime import datetime

from campaign.parts import CampaignParts
from campaign.repository import decisions as decision_rows
from campaign.repository.deliveries import prune
from campaign.service.alerts import reconsider_due
from chassis.clock import VirtualClock
from chassis.worker import Wake, pause

_LONGEST_SLEEP_SECONDS = 60.0
_PRUNE_EVERY_SECONDS = 3600.0
_AT_ONCE = 200


class Reconsiderer:
    """Decides again what was deferred, when its time comes by the business clock, which may leap.

    It sleeps until then, unless the clock is set or something is deferred; looking now and then is only a safety net.
    """

    name = "campaign-reconsiderer"

    def __init__(self, parts: CampaignParts, *, wakes: list[Wake]) -> None:
        self._parts = parts
        self._wakes = wakes

    async def run(self, stop: asyncio.Event) -> None:
        """Decide what is due until told to stop."""
        while not stop.is_set():
            await self._follow_clock()
            looked_at = self._parts.clock.business_now()
            async with self._parts.database.write() as session:
                count = await reconsider_due(session, self._parts, limit=_AT_ONCE)
            if count < _AT_ONCE:
                await self._sleep(stop, await self._seconds_to_next(looked_at))

    async def _follow_clock(self) -> None:
        """Take virtual time from where it was set; our wake may be faster than our process's own follower."""
        clock = self._parts.clock
        if isinstance(clock, VirtualClock):
            async with self._parts.database.read() as session:
                if (found := await decision_rows.business_time(session)) is not None:
                    clock.set(found)

    async def _seconds_to_next(self, looked_at: datetime) -> float:
        clock = self._parts.clock
        if isinstance(clock, VirtualClock):
            return _LONGEST_SLEEP_SECONDS
        async with self._parts.database.read() as session:
            due_at = await decision_rows.next_due(session, after=looked_at)
        if due_at is None:
            return _LONGEST_SLEEP_SECONDS
        return max(0.01, min(_LONGEST_SLEEP_SECONDS, (due_at - clock.business_now()).total_seconds()))

    async def _sleep(self, stop: asyncio.Event, seconds: float) -> None:
        tasks = [asyncio.create_task(wake.wait(seconds)) for wake in self._wakes]
        tasks.append(asyncio.create_task(stop.wait()))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class DeliveryPruner:
    """Forgets finished deliveries after STAVE_DELIVERY_RETENTION."""

    name = "campaign-delivery-pruner"

    def __init__(self, parts: CampaignParts) -> None:
        self._parts = parts

    async def run(self, stop: asyncio.Event) -> None:
        """Prune until told to stop."""
        while not stop.is_set():
            before = self._parts.clock.system_now() - self._parts.settings.delivery_retention
            async with self._parts.database.write() as session:
                count = await prune(session, before=before, limit=1000)
            if not count:
                await pause(stop, _PRUNE_EVERY_SECONDS)
