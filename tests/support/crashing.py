"""The platform with a trap at one seam: it kills itself by SIGKILL the nth time it comes by.

The seams are put around the real parts from outside; nothing in the product knows of them.
`CRASH_AT=relay.appended:3 python -m tests.support.crashing run …`
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any


class Trap:
    """Counts passes of one seam."""

    def __init__(self, spec: str) -> None:
        self.seam, _, count = spec.partition(":")
        self._left = int(count or 1)

    def spring(self, seam: str) -> None:
        """Come by a seam."""
        if seam != self.seam:
            return
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def set_traps(trap: Trap) -> None:
    """Put the seams around relay, consumer and the writing edge."""
    from chassis import consumer, outbox
    from chassis.database import Database
    from chassis.event_log.postgres import PostgresEventLog, PostgresLogReader

    _around(
        PostgresEventLog,
        "append",
        before=lambda: trap.spring("relay.sending"),
        after=lambda: trap.spring("relay.appended"),
    )
    _around(
        PostgresLogReader,
        "commit",
        before=lambda: trap.spring("consumer.applied"),
        after=lambda: trap.spring("consumer.committed"),
    )
    _around(consumer.Consumer, "dispatch", before=lambda: None, after=lambda: trap.spring("consumer.in-transaction"))
    _around(outbox.Relay, "_publish_batch", before=lambda: None, after=lambda: trap.spring("relay.deleted"))
    _trap_commits(Database, trap)


def _around(owner: type, name: str, *, before: Callable[[], None], after: Callable[[], None]) -> None:
    original = getattr(owner, name)

    async def trapped(self: Any, *arguments: Any, **named: Any) -> Any:
        before()
        result = await original(self, *arguments, **named)
        after()
        return result

    setattr(owner, name, trapped)


def _trap_commits(database: type, trap: Trap) -> None:
    from contextlib import asynccontextmanager

    original = database.write  # type: ignore[attr-defined]

    @asynccontextmanager
    async def write(self: Any) -> Any:
        async with original(self) as session:
            yield session
            trap.spring("write.committing")
        trap.spring("write.committed")

    database.write = write  # type: ignore[attr-defined]


if __name__ == "__main__":
    from standalone.cli import main

    set_traps(Trap(os.environ["CRASH_AT"]))
    sys.argv[0] = "stave"
    main()
