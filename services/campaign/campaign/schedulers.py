"""Work by the clock: deferred actions whose time has come, and the end of what is kept long enough."""

import asyncio

from campaign.parts import CampaignParts
from campaign.repository.deliveries import prune
from campaign.service.alerts import reconsider_due
from chassis.worker import pause

_LOOK_EVERY_SECONDS = 1.0
_PRUNE_EVERY_SECONDS = 3600.0
_AT_ONCE = 200


class Reconsiderer:
    """Decides again when quiet hours are over, by the business clock, which may leap."""

    name = "campaign-reconsiderer"

    def __init__(self, parts: CampaignParts) -> None:
        self._parts = parts

    async def run(self, stop: asyncio.Event) -> None:
        """Look until told to stop."""
        while not stop.is_set():
            async with self._parts.database.write() as session:
                count = await reconsider_due(session, self._parts, limit=_AT_ONCE)
            if count < _AT_ONCE:
                await pause(stop, _LOOK_EVERY_SECONDS)


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
