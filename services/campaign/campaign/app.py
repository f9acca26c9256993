"""The campaign service put together."""

from aiohttp.abc import AbstractResolver

from campaign.channels.guard import AddressGuard
from campaign.dispatcher import Dispatcher
from campaign.endpoints import ROUTERS
from campaign.handlers import SUBSCRIPTIONS
from campaign.metrics import gauges_of
from campaign.parts import CampaignParts
from campaign.repository.decisions import DEFERRED_CHANNEL
from campaign.repository.deliveries import CHANNEL
from campaign.schedulers import DeliveryPruner, Reconsiderer
from campaign.sealing import Seal
from campaign.settings import CampaignSettings
from chassis.clock import Clock, clock_for
from chassis.database import Database
from chassis.event_log import open_event_log
from chassis.notify import Listener
from chassis.service import CLOCK_CHANNEL, Service, assemble


def build(
    settings: CampaignSettings, *, clock: Clock | None = None, resolver: AbstractResolver | None = None
) -> Service:
    """The service on its database and the event log; `resolver` answers for partners' host names."""
    clock = clock or clock_for(settings.clock)
    database = Database(settings.database_url_for("campaign"), name="campaign")
    guard = AddressGuard(settings.allowed_networks, https_only=settings.environment == "production", resolver=resolver)
    parts = CampaignParts(settings, database, clock, Seal(settings.key), guard)
    listener = Listener(database)
    return assemble(
        name="campaign", settings=settings, parts=parts, database=database,
        event_log=open_event_log(settings.log_url), clock=clock, routers=ROUTERS, subscriptions=SUBSCRIPTIONS,
        workers=[
            Dispatcher(parts, listener.wake_on(CHANNEL)),
            Reconsiderer(parts, wakes=[listener.wake_on(DEFERRED_CHANNEL), listener.wake_on(CLOCK_CHANNEL)]),
            DeliveryPruner(parts),
        ],
        listener=listener, gauges=gauges_of(parts),
    )  # fmt: skip
