"""How far a consumer is behind, looked at beside it: also while it waits, or tries a batch again and again."""

import asyncio
import logging
from collections.abc import Sequence

from chassis.database import is_transient
from chassis.event_log import EventLog
from chassis.telemetry import CONSUMER_LAG, CONSUMER_LAG_AGE, Age
from chassis.worker import pause

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 2.0


class LagSampler:
    """Keeps the metrics of a group's lag."""

    def __init__(self, group: str, *, event_log: EventLog, topics: Sequence[str]) -> None:
        self.name = f"{group}-lag"
        self._group = group
        self._event_log = event_log
        self._topics = topics
        self._age = Age(CONSUMER_LAG_AGE, group)

    async def run(self, stop: asyncio.Event) -> None:
        """Look every two seconds; while the log does not answer, what was seen last stays and grows older."""
        while not stop.is_set():
            try:
                await self._sample()
            except Exception as error:
                if not is_transient(error):
                    raise
                logger.debug("%s: the event log does not answer: %s", self.name, type(error).__name__)
            await pause(stop, _EVERY_SECONDS)

    async def _sample(self) -> None:
        behind = await self._event_log.lag(self._group, self._topics)
        CONSUMER_LAG.labels(self._group).set(sum(lag.count for lag in behind))
        self._age.oldest_at = min((lag.oldest_at for lag in behind if lag.oldest_at is not None), default=None)
