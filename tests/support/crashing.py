"""The platform with a trap at one seam: it kills itself by SIGKILL the nth time it comes by.

The seams are put around the real parts from outside; nothing in the product knows of them.
`CRASH_AT=relay.appended:3 python -m tests.support.crashing run …`
"""

import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

# Fewer events are no batch worth killing in the middle of.
LARGE_BATCH = 100
_LONGEST_FUSE_SECONDS = 0.06
# Whether what runs was begun by a request; the task that commits for many requests was, workers were not.
_answering: ContextVar[bool] = ContextVar("answering", default=False)


class Trap:
    """Counts passes of one seam, and kills at the last."""

    def __init__(self, spec: str) -> None:
        self.seam, _, count = spec.partition(":")
        self._left = int(count or 1)

    def spring(self, seam: str) -> None:
        """Come by a seam."""
        if self._is_last(seam):
            die()

    def light(self, seam: str) -> None:
        """Come by a seam where something begins: die a random moment later, whatever is going on then."""
        if self._is_last(seam):
            threading.Timer(random.uniform(0, _LONGEST_FUSE_SECONDS), die).start()

    def _is_last(self, seam: str) -> bool:
        if seam != self.seam:
            return False
        self._left -= 1
        return self._left == 0


def die() -> None:
    """End at once, as in a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


def set_traps(trap: Trap) -> None:
    """Put the seams around relay, consumer, dispatcher and the writing edge."""
    from chassis.consumer import Consumer
    from chassis.database import Database
    from chassis.event_log.postgres import PostgresEventLog, PostgresLogReader
    from chassis.telemetry import TraceMiddleware

    _around(
        PostgresEventLog,
        "append",
        before=lambda _: trap.spring("relay.sending"),
        after=lambda: trap.spring("relay.appended"),
    )
    _around(PostgresLogReader, "commit", before=lambda _: trap.spring("consumer.applied"))
    _around(
        Consumer,
        "dispatch",
        before=lambda arguments: trap.light("batch.begun") if len(arguments[1]) >= LARGE_BATCH else None,
    )
    _around(TraceMiddleware, "__call__", before=lambda _: _answering.set(True))
    _trap_dispatcher(trap)
    _trap_commits(Database, trap)


def _trap_dispatcher(trap: Trap) -> None:
    from campaign.channels.webhook import WebhookSender
    from campaign.recorder import Recorder

    _around(
        WebhookSender,
        "send",
        before=lambda _: trap.spring("dispatcher.claimed"),
        after=lambda: trap.spring("dispatcher.answered"),
    )
    _around(Recorder, "_record", before=lambda _: None, after=lambda: trap.spring("dispatcher.recorded"))


def _around(
    owner: type, name: str, *, before: Callable[[Any], object], after: Callable[[], None] = lambda: None
) -> None:
    original = getattr(owner, name)

    async def trapped(self: Any, *arguments: Any, **named: Any) -> Any:
        before(arguments)
        result = await original(self, *arguments, **named)
        after()
        return result

    setattr(owner, name, trapped)


def _trap_commits(database: type, trap: Trap) -> None:
    original = database.write  # type: ignore[attr-defined]

    @asynccontextmanager
    async def write(self: Any) -> Any:
        async with original(self) as session:
            yield session
        if _answering.get():
            trap.spring("api.committed")

    database.write = write  # type: ignore[attr-defined]


if __name__ == "__main__":
    from standalone.cli import main

    set_traps(Trap(os.environ["CRASH_AT"]))
    sys.argv[0] = "stave"
    main()
