"""Records attempts, as many as have come in at once in one transaction, with the events that tell of them."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from campaign.domain.retries import Attempt, judge
from campaign.metrics import ATTEMPT_SECONDS, ATTEMPTS
from campaign.parts import CampaignParts
from campaign.repository.query import Row
from campaign.service.record_attempts import record_attempts
from chassis.database import is_transient

logger = logging.getLogger(__name__)

_MOST_AT_ONCE = 200
_PAUSE_SECONDS = 0.5
_MOST_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Tried:
    """A delivery as it was claimed and what came of trying it."""

    delivery: Row
    attempt: Attempt


class OnRecorded(Protocol):
    """Hears which deliveries are out of hand, and whether some of them are to be tried again."""

    def __call__(self, delivery_ids: Sequence[UUID], *, some_again: bool) -> None:
        """They are recorded, or never will be."""


class Recorder:
    """Group commit: while one transaction commits, the next ones' attempts gather."""

    def __init__(self, parts: CampaignParts, on_recorded: OnRecorded) -> None:
        self._parts = parts
        self._on_recorded = on_recorded
        self._tried: list[Tried] = []
        self._arrived = asyncio.Event()
        self._closed = False
        self._next_at: list[datetime] = []

    def add(self, tried: Tried) -> None:
        """Have an attempt recorded soon."""
        channel = tried.delivery["channel"]
        ATTEMPTS.labels(channel, judge(tried.attempt)).inc()
        ATTEMPT_SECONDS.labels(channel).observe(tried.attempt.duration_ms / 1000)
        self._tried.append(tried)
        self._arrived.set()

    def close(self) -> None:
        """Record what is there, then end."""
        self._closed = True
        self._arrived.set()

    def seconds_to_next(self) -> float:
        """How long until the next retry that we know of is due."""
        now = self._parts.clock.system_now()
        self._next_at = [at for at in self._next_at if at > now - timedelta(seconds=1)]
        return max(0.005, min((at - now).total_seconds() for at in self._next_at)) if self._next_at else 60.0

    async def run(self) -> None:
        """Record until closed and empty."""
        self._closed = False
        while self._tried or not self._closed:
            await self._arrived.wait()
            if not self._closed:
                self._arrived.clear()
            batch = self._tried[:_MOST_AT_ONCE]
            if batch and await self._record(batch):
                del self._tried[: len(batch)]
            if self._tried:
                self._arrived.set()

    async def _record(self, batch: Sequence[Tried]) -> bool:
        try:
            async with self._parts.database.write() as session:
                due = await record_attempts(session, [(one.delivery, one.attempt) for one in batch], self._parts)
        except Exception as error:
            if self._closed or not is_transient(error):
                # Their leases run out and they are sent again, with the same message ids.
                logger.exception("%d attempts could not be recorded", len(batch))
                self._on_recorded([one.delivery["id"] for one in batch], some_again=False)
                return True
            logger.warning("attempts wait to be recorded: %s", type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)
            return False
        self._next_at = sorted([*self._next_at, *due])[:_MOST_REMEMBERED]
        self._on_recorded([one.delivery["id"] for one in batch], some_again=bool(due))
        return True
