"""The interaction service put together."""

from collections.abc import Sequence

from chassis.clock import Clock, clock_for
from chassis.database import Database
from chassis.event_log import open_event_log
from chassis.service import Service, assemble
from interaction.endpoints import recording, timeline
from interaction.entries import Entry, Outcome
from interaction.handlers import SUBSCRIPTIONS
from interaction.service import InteractionParts, record
from interaction.settings import InteractionSettings
from interaction.writer import Writer

NAME = "interaction"


def build(settings: InteractionSettings, *, clock: Clock | None = None) -> Service:
    """The service, ready to be started."""
    clock = clock or clock_for(settings.clock)
    database = Database(settings.database_url_for(NAME), name=NAME)

    async def commit(entries: Sequence[Entry]) -> list[Outcome]:
        async with database.write() as session:
            return await record(session, entries, settings)

    return assemble(
        name=NAME, settings=settings, parts=InteractionParts(settings, database, clock, Writer(commit)),
        database=database, event_log=open_event_log(settings.log_url), clock=clock,
        routers=[recording.router, timeline.router], subscriptions=SUBSCRIPTIONS,
    )  # fmt: skip
