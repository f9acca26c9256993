"""The customer service put together."""

from chassis.clock import Clock, clock_for
from chassis.database import Database
from chassis.event_log import open_event_log
from chassis.service import Service, assemble
from customer.endpoints import ROUTERS
from customer.handlers import SUBSCRIPTIONS
from customer.parts import CustomerParts
from customer.service.erasure import JOB_KIND, erase_customer
from customer.settings import CustomerSettings

NAME = "customer"


def build(settings: CustomerSettings, *, clock: Clock | None = None) -> Service:
    """The service on its own database and the event log that the settings name."""
    clock = clock or clock_for(settings.clock)
    database = Database(settings.database_url_for(NAME), name=NAME)
    return assemble(
        name=NAME,
        settings=settings,
        parts=CustomerParts(settings, clock, database),
        database=database,
        event_log=open_event_log(settings.log_url),
        clock=clock,
        routers=ROUTERS,
        subscriptions=SUBSCRIPTIONS,
        jobs={JOB_KIND: erase_customer},
    )
