"""PostgreSQL's LISTEN on a connection of its own: wakes workers of this process when another one commits."""

import asyncio
from collections import defaultdict
from typing import Any

from chassis.database import Database
from chassis.worker import Wake, pause

_LOOK_AFTER_SECONDS = 5.0


class Listener:
    """A worker that turns notifications on channels into wakes."""

    def __init__(self, database: Database) -> None:
        self.name = f"{database.name}-listener"
        self._database = database
        self._wakes: dict[str, list[Wake]] = defaultdict(list)

    def wake_on(self, channel: str) -> Wake:
        """A wake that is set for each notification on the channel, and after each reconnection."""
        wake = Wake()
        self._wakes[channel].append(wake)
        return wake

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until told to stop; a broken connection ends the run, and the supervisor starts it again."""
        connection = await self._database.connect(purpose="listen")
        try:
            for channel in self._wakes:
                await connection.add_listener(channel, self._on_notification)
            # What was told while nobody listened is gone: look once.
            for channel in self._wakes:
                self._wake(channel)
            while not stop.is_set() and not connection.is_closed():
                await pause(stop, _LOOK_AFTER_SECONDS)
                await connection.execute("SELECT 1", timeout=5)
        finally:
            connection.terminate()

    def _on_notification(self, _connection: Any, _pid: int, channel: str, _payload: object) -> None:
        self._wake(channel)

    def _wake(self, channel: str) -> None:
        for wake in self._wakes[channel]:
            wake.set()
