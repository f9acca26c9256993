"""Group commit: single interactions that arrive together are committed together.

While one transaction runs, what arrives waits; the next transaction takes all of it. Nobody is answered before the
commit of their row, and a row that fails takes no other with it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from chassis.database import is_transient
from interaction.entries import Entry, Outcome
from interaction.errors import WriterIsBusy
from interaction.metrics import WRITER_BATCH

MAX_WAITING = 2_000
MAX_BATCH = 500

Commit = Callable[[Sequence[Entry]], Awaitable[list[Outcome]]]
_Waiting = tuple[Entry, "asyncio.Future[Outcome]"]


class Writer:
    """Commits entries in batches; `commit` writes a batch in one transaction of its own."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._waiting: deque[_Waiting] = deque()
        self._draining: asyncio.Task[None] | None = None

    async def write(self, entry: Entry) -> Outcome:
        """Have an entry committed and learn what became of it. Raises WriterIsBusy and whatever its commit raised."""
        if len(self._waiting) >= MAX_WAITING:
            raise WriterIsBusy
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, answer))
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(), name="interaction-writer")
        return await answer

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
                WRITER_BATCH.observe(len(batch))
                await self._write(batch)
        finally:
            self._draining = None
            for _, answer in self._waiting:
                answer.cancel()
            self._waiting.clear()

    async def _write(self, batch: list[_Waiting]) -> None:
        try:
            outcomes = await self._commit([entry for entry, _ in batch])
        except Exception as error:
            # Trouble with the database is everybody's; anything else is the fault of some row, to be found alone.
            if len(batch) == 1 or is_transient(error):
                _tell(batch, error)
                return
            for one in batch:
                await self._write([one])
            return
        for (_, answer), outcome in zip(batch, outcomes, strict=True):
            if not answer.done():
                answer.set_result(outcome)


def _tell(batch: list[_Waiting], error: Exception) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(error)
