"""The event log: append-only topics in partitions by key, read by groups at their own pace, at least once.

One interface, one conformance suite (`tests/contract`), an adapter per broker. Only `open_event_log` knows which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """What is appended. Records of one key keep their order; a tombstone (None) forgets the key's earlier ones."""

    topic: str
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """What is read back, with its place in the log."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group is behind on one partition, in records; `oldest_at` is when the first of them was appended."""

    topic: str
    partition: int
    committed: int
    end: int
    oldest_at: datetime | None = None

    @property
    def count(self) -> int:
        """Records not yet committed."""
        return max(0, self.end - self.committed)


class LogReader(Protocol):
    """One member of a group. Partitions are shared among the members and move when members come and go."""

    async def fetch(self, *, max_records: int, timeout_seconds: float) -> list[StoredRecord]:
        """The next records of the assigned partitions, in order within each; empty when time is over."""

    async def commit(self, records: Sequence[StoredRecord]) -> None:
        """These, and all before them in their partitions, are done."""

    def assigned(self, topic: str, partition: int) -> bool:
        """Whether the partition is still this member's."""

    def interrupt(self) -> None:
        """Have a waiting fetch return at once, now and from now on."""

    async def rewind(self) -> None:
        """Go back to what is committed, as after a failure."""

    async def close(self) -> None:
        """Leave the group."""


class EventLog(Protocol):
    """Where services tell each other what happened."""

    async def append(self, records: Sequence[Record]) -> None:
        """Append durably; returns after all are acknowledged, raises when any is not (then all may come again)."""

    async def reader(self, group: str, topics: Sequence[str]) -> LogReader:
        """Join a group; it starts at the beginning of topics it has never committed."""

    async def lag(self, group: str, topics: Sequence[str]) -> list[Lag]:
        """How far a group is behind."""

    async def seek_to_beginning(self, group: str, topics: Sequence[str]) -> None:
        """Have a group, that nobody is a member of now, read everything again."""

    async def answers(self) -> bool:
        """Whether the log can be reached; never raises."""

    async def close(self) -> None:
        """Let go of connections."""


def open_event_log(url: str) -> EventLog:
    """The event log a URL names: `postgresql://…` for tables of a database of its own."""
    scheme = url.split(":", 1)[0]
    if scheme == "postgresql":
        from chassis.event_log.postgres import PostgresEventLog

        return PostgresEventLog(url)
    raise ValueError(f"STAVE_EVENT_LOG_URL: {scheme!r} is no event log this version can open; use postgresql://…")
