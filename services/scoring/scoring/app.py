"""The scoring service, put together."""

from chassis.clock import Clock, clock_for
from chassis.database import Database
from chassis.event_log import open_event_log
from chassis.notify import Listener
from chassis.service import CLOCK_CHANNEL, Service, assemble
from scoring.endpoints import ROUTERS
from scoring.handlers import SUBSCRIPTIONS
from scoring.jobs import JOBS
from scoring.parts import ScoringParts
from scoring.repository.customers import DUE_CHANNEL
from scoring.scheduler import Scheduler, gauges_of
from scoring.serving import ModelShelf
from scoring.settings import ScoringSettings


def build(settings: ScoringSettings, *, clock: Clock | None = None) -> Service:
    """Make the service; nothing runs before it is started."""
    clock = clock or clock_for(settings.clock)
    database = Database(settings.database_url_for("scoring"), name="scoring")
    listener = Listener(database)
    parts = ScoringParts(settings, clock, database, ModelShelf(settings.key))
    wakes = [listener.wake_on(DUE_CHANNEL), listener.wake_on(CLOCK_CHANNEL)]
    return assemble(
        name="scoring", settings=settings, parts=parts, database=database, event_log=open_event_log(settings.log_url),
        clock=clock, routers=ROUTERS, subscriptions=SUBSCRIPTIONS, jobs=JOBS, workers=[Scheduler(parts, wakes=wakes)],
        listener=listener, gauges=gauges_of(parts),
    )  # fmt: skip
