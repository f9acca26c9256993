"""Work that goes on beside requests: started, restarted when it fails, stopped gracefully."""

import asyncio
import contextlib
import logging
from typing import Protocol

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 15.0


class Worker(Protocol):
    """A loop with a name; `run` returns soon after `stop` is set."""

    name: str

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop."""


class Wake:
    """Something happened that a sleeping worker should look at; polling is only its safety net."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake who waits, or the next who will."""
        self._event.set()

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait until woken (True) or the time is over (False)."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._event.wait()
        woken = self._event.is_set()
        self._event.clear()
        return woken


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but not beyond a stop."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def supervise(worker: Worker, stop: asyncio.Event) -> None:
    """Run a worker for as long as the process lives; after a failure it starts again, ever more slowly."""
    wait_seconds = _FIRST_PAUSE_SECONDS
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        began = loop.time()
        try:
            await worker.run(stop)
            if stop.is_set():
                return
        except asyncio.CancelledError:
            raise
        except Exception as error:
            logger.warning("worker %s failed and starts again: %s", worker.name, type(error).__name__, exc_info=error)
        if loop.time() - began > _LONGEST_PAUSE_SECONDS:
            wait_seconds = _FIRST_PAUSE_SECONDS
        await pause(stop, wait_seconds)
        wait_seconds = min(wait_seconds * 2, _LONGEST_PAUSE_SECONDS)


class WorkerGroup:
    """The workers of one service, as tasks."""

    def __init__(self, workers: list[Worker]) -> None:
        self._workers = workers
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start them all."""
        self._stop.clear()
        self._tasks = [asyncio.create_task(supervise(worker, self._stop), name=worker.name) for worker in self._workers]

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Let each finish what it has in hand; cancel what takes longer than the grace."""
        self._stop.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
