"""Watches the embedded server and starts it again when it dies, for as long as the platform runs."""

import asyncio
import logging

from standalone.errors import Refusal
from standalone.postgres.server import PostgresServer

LOOK_EVERY_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0

log = logging.getLogger(__name__)


async def supervise(server: PostgresServer, stop: asyncio.Event) -> None:
    """Start `server` again whenever its process has ended, until `stop` is set.

    A start that fails (say, on a full disk) is tried again with growing pauses: it never gives up.
    """
    pause = LOOK_EVERY_SECONDS
    while not await _is_set_within(stop, pause):
        if not server.has_ended():
            pause = LOOK_EVERY_SECONDS
            continue
        log.error("PostgreSQL has ended; starting it again")
        try:
            await asyncio.to_thread(server.start)
        except (Refusal, OSError) as error:
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            log.error("PostgreSQL does not start: %s", error)
        else:
            log.warning("PostgreSQL answers again")


async def _is_set_within(stop: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
