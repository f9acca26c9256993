"""The audit trail: every write that a known caller tried, stored in batches behind the requests it tells of."""

import asyncio
import logging

from chassis.database import Database
from chassis.worker import Wake, pause
from gateway import repository
from gateway.errors import AuditIsFull
from gateway.repository import AuditRow

logger = logging.getLogger(__name__)

_BATCH = 1000
_MOST_WAITING = 50_000
_GATHER_SECONDS = 0.05
_RETRY_SECONDS = 1.0


class AuditTrail:
    """Keeps rows in memory until they are stored; a graceful stop stores them all, a crash loses the last moments.

    While rows cannot be stored they wait, and beyond a limit writes are refused rather than done unrecorded.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[AuditRow] = []
        self._wake = Wake()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def require_room(self) -> None:
        """Raises AuditIsFull when a write could not be recorded."""
        if len(self._waiting) >= _MOST_WAITING:
            raise AuditIsFull("The audit trail cannot be stored at the moment; reading still works.")

    def add(self, row: AuditRow) -> None:
        """Record a write; returns at once."""
        self._waiting.append(row)
        self._wake.set()

    def start(self) -> None:
        """Begin to store what is added."""
        self._closing.clear()
        self._task = asyncio.create_task(self._run(), name="gateway-audit")

    async def close(self) -> None:
        """Store all that waits, then stop."""
        self._closing.set()
        self._wake.set()
        if self._task is not None:
            await self._task
        await self._store_waiting()
        if self._waiting:
            logger.critical(
                "%d audit rows are lost: the database did not take them before the stop", len(self._waiting)
            )

    async def _run(self) -> None:
        while not self._closing.is_set():
            woken = await self._wake.wait(60)
            # A row of its own transaction each would cost the database more than the writes they tell of.
            await pause(self._closing, _GATHER_SECONDS)
            if woken and not await self._store_waiting():
                await pause(self._closing, _RETRY_SECONDS)
                self._wake.set()

    async def _store_waiting(self) -> bool:
        while self._waiting:
            batch = self._waiting[:_BATCH]
            try:
                async with self._database.write() as session:
                    await repository.add_audit_rows(session, batch)
            except Exception as error:
                logger.error("%d audit rows wait: %s: %s", len(self._waiting), type(error).__name__, error)
                return False
            del self._waiting[: len(batch)]
        return True
