"""The embedded event log: append-only tables that keep Kafka's semantics on one machine.

Offsets are taken by UPDATE … RETURNING: its row lock makes commit order equal offset order, so that reading what is
past the committed offset misses nothing, with any number of publishers.
"""

import asyncio
import contextlib
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import resources

import asyncpg

from chassis.database import server_settings
from chassis.event_log import Lag, Record, StoredRecord
from chassis.worker import Wake

CHANNEL = "stave_log"
_MEMBERS_CHANNEL = "stave_log_members"
_PARTITION_COUNT = 12
_FETCH_BYTES = 8_000_000
_SAFETY_SECONDS = 5.0


def partition_of(key: str, partition_count: int = _PARTITION_COUNT) -> int:
    """The partition of a key: stable for ever."""
    return zlib.crc32(key.encode()) % partition_count


async def create_schema(url: str, topics: Sequence[str]) -> None:
    """Make the tables and the topics' partitions where they are missing."""
    connection = await asyncpg.connect(url, timeout=5)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('stave_log_schema'))")
            await connection.execute(resources.files(__package__).joinpath("schema.sql").read_text())
            await connection.execute(
                "INSERT INTO partitions (topic, partition) SELECT topic, partition FROM unnest($1::text[]) AS topic, "
                "generate_series(0, $2 - 1) AS partition ON CONFLICT DO NOTHING",
                list(topics), _PARTITION_COUNT,
            )  # fmt: skip
    finally:
        await connection.close()


class PostgresEventLog:
    """An event log in a PostgreSQL database; for one machine only."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def _connections(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self.url, min_size=0, max_size=8, timeout=5, command_timeout=60,
                    server_settings=server_settings("event-log"),
                )  # fmt: skip
            return self._pool

    async def append(self, records: Sequence[Record]) -> None:
        """Append in one transaction; partitions are locked in one order, so that appenders never deadlock.

        A tombstone deletes what came before it under its key, in the same transaction.
        """
        if not records:
            return
        by_partition: dict[tuple[str, int], list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.topic, partition_of(record.key)].append(record)
        places = sorted(by_partition)
        pool = await self._connections()
        async with pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                "WITH wanted AS (SELECT * FROM unnest($1::text[], $2::int[], $3::int[]) AS w (topic, partition, n)), "
                "locked AS MATERIALIZED (SELECT topic, partition FROM partitions JOIN wanted USING (topic, partition) "
                "ORDER BY topic, partition FOR UPDATE OF partitions) "
                "UPDATE partitions AS p SET next_offset = p.next_offset + w.n FROM wanted AS w, locked AS l "
                "WHERE (p.topic, p.partition) = (w.topic, w.partition) AND (p.topic, p.partition) = "
                "(l.topic, l.partition) RETURNING p.topic, p.partition, p.next_offset - w.n AS base",
                [topic for topic, _ in places], [partition for _, partition in places],
                [len(by_partition[place]) for place in places],
            )  # fmt: skip
            base = {(row["topic"], row["partition"]): row["base"] for row in rows}
            if missing := {topic for topic, partition in places if (topic, partition) not in base}:
                raise LookupError(f"the event log has no topic {sorted(missing)}: it was not migrated")
            await connection.copy_records_to_table(
                "records",
                columns=["topic", "partition", "offset", "key", "value"],
                records=[
                    (topic, partition, base[topic, partition] + n, record.key, record.value)
                    for topic, partition in places
                    for n, record in enumerate(by_partition[topic, partition])
                ],
            )
            await _forget(connection, by_partition, base)
            await connection.execute("SELECT pg_notify($1, '')", CHANNEL)

    async def reader(self, group: str, topics: Sequence[str]) -> "PostgresLogReader":
        """Join a group."""
        connection = await asyncpg.connect(
            self.url, timeout=5, server_settings=server_settings("log-reader") | {"statement_timeout": "0"}
        )
        listener = await asyncpg.connect(self.url, timeout=5, server_settings=server_settings("log-listener"))
        reader = PostgresLogReader(connection, listener, group=group, topics=topics)
        await reader.join()
        return reader

    async def lag(self, group: str, topics: Sequence[str]) -> list[Lag]:
        """How far a group is behind."""
        pool = await self._connections()
        rows = await pool.fetch(
            "SELECT p.topic, p.partition, coalesce(g.committed, 0) AS committed, p.next_offset AS end, r.appended_at "
            "FROM partitions p LEFT JOIN group_offsets g ON (g.group_name, g.topic, g.partition) = "
            "($1, p.topic, p.partition) LEFT JOIN LATERAL (SELECT appended_at FROM records WHERE topic = p.topic AND "
            'partition = p.partition AND "offset" >= coalesce(g.committed, 0) ORDER BY "offset" LIMIT 1) AS r '
            "ON p.next_offset > coalesce(g.committed, 0) WHERE p.topic = ANY($2::text[]) ORDER BY 1, 2",
            group, list(topics),
        )  # fmt: skip
        return [Lag(row["topic"], row["partition"], row["committed"], row["end"], row["appended_at"]) for row in rows]

    async def seek_to_beginning(self, group: str, topics: Sequence[str]) -> None:
        """Forget what a group has committed."""
        pool = await self._connections()
        await pool.execute(
            "DELETE FROM group_offsets WHERE group_name = $1 AND topic = ANY($2::text[])", group, list(topics)
        )

    async def answers(self) -> bool:
        """Whether the database answers."""
        try:
            pool = await self._connections()
            return bool(await pool.fetchval("SELECT true", timeout=2))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False

    async def close(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pool.close(), 2)
            self._pool.terminate()
            self._pool = None


class PostgresLogReader:
    """A member of a group: what it may read are the partitions whose advisory locks its connection holds.

    A member that dies loses its connection, its locks and so its partitions at once. Members count each other by a
    shared lock and each keeps a fair share.
    """

    def __init__(
        self, connection: asyncpg.Connection, listener: asyncpg.Connection, *, group: str, topics: Sequence[str]
    ) -> None:
        self._connection = connection
        self._listener = listener
        self._group = group
        self._topics = list(topics)
        self._held: dict[tuple[str, int], int] = {}
        self._wake = Wake()
        self._shared_at = float("-inf")
        self._members_changed = False
        self._interrupted = False

    async def join(self) -> None:
        """Take part in the group; listen for what is appended and for members that come and go."""
        for connection in (self._connection, self._listener):
            connection.add_termination_listener(lambda *_: self._wake.set())
        await self._listener.add_listener(CHANNEL, lambda *_: self._wake.set())
        await self._listener.add_listener(_MEMBERS_CHANNEL, self._on_members)
        await self._connection.execute(
            "SELECT pg_advisory_lock_shared(hashtext('stave_group'), hashtext($1))", self._group
        )
        await self._tell_members()

    async def fetch(self, *, max_records: int, timeout_seconds: float) -> list[StoredRecord]:
        """The next records; waits for some to be appended."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while True:
            # A member that was killed tells nobody.
            if self._members_changed or loop.time() - self._shared_at >= _SAFETY_SECONDS:
                self._members_changed = False
                await self._share()
                self._shared_at = loop.time()
            if self._held and (records := await self._read(max_records)):
                return records
            left = deadline - loop.time()
            if left <= 0 or self._interrupted:
                return []
            if self._listener.is_closed() or self._connection.is_closed():
                raise ConnectionError("the event log's connection is closed")
            await self._wake.wait(min(left, _SAFETY_SECONDS))

    async def commit(self, records: Sequence[StoredRecord]) -> None:
        """Move the group's offsets forward."""
        ends: dict[tuple[str, int], int] = {}
        for record in records:
            place = record.topic, record.partition
            if place in self._held:
                ends[place] = max(ends.get(place, 0), record.offset + 1)
        await self._connection.execute(
            "INSERT INTO group_offsets AS g SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[]) "
            "ON CONFLICT (group_name, topic, partition) DO UPDATE SET committed = excluded.committed "
            "WHERE g.committed < excluded.committed",
            self._group, [topic for topic, _ in ends], [partition for _, partition in ends], list(ends.values()),
        )  # fmt: skip

    def assigned(self, topic: str, partition: int) -> bool:
        """Whether the partition's lock is held."""
        return (topic, partition) in self._held and not self._connection.is_closed()

    def interrupt(self) -> None:
        """Let a waiting fetch go."""
        self._interrupted = True
        self._wake.set()

    async def rewind(self) -> None:
        """Go back to the committed offsets."""
        self._held.update(await self._committed(list(self._held)))

    async def close(self) -> None:
        """Leave: give the locks back, and tell who can take them."""
        with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._connection.execute("SELECT pg_advisory_unlock_all()", timeout=2)
            await self._tell_members()
        for connection in (self._connection, self._listener):
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=2)
            connection.terminate()

    def _on_members(self, _connection: object, _pid: int, _channel: str, group: object) -> None:
        if group == self._group:
            self._members_changed = True
            self._wake.set()

    async def _tell_members(self) -> None:
        await self._connection.execute("SELECT pg_notify($1, $2)", _MEMBERS_CHANNEL, self._group, timeout=5)

    async def _share(self) -> None:
        """Take free partitions up to a fair share and give back what is above it."""
        places = await self._connection.fetch(
            "SELECT topic, partition FROM partitions WHERE topic = ANY($1::text[]) ORDER BY 1, 2", self._topics
        )
        members = await self._connection.fetchval(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock' AND "
            "database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND objsubid = 2 AND "
            "classid::bigint = hashtext('stave_group')::bigint & 4294967295 AND "
            "objid::bigint = hashtext($1)::bigint & 4294967295",
            self._group,
        )
        share = -(-len(places) // max(members, 1))
        surplus = list(self._held)[share:]
        for place in surplus:
            await self._connection.execute(f"SELECT pg_advisory_unlock({_LOCK_KEY})", *self._lock_words(place))
            del self._held[place]
        if surplus:
            await self._tell_members()
        taken = [
            place
            for row in places
            if (place := (row["topic"], row["partition"])) not in self._held and len(self._held) < share
        ]
        won: list[tuple[str, int]] = []
        for place in taken:
            if len(self._held) + len(won) >= share:
                break
            if await self._connection.fetchval(f"SELECT pg_try_advisory_lock({_LOCK_KEY})", *self._lock_words(place)):
                won.append(place)
        if won:
            self._held.update(await self._committed(won))

    def _lock_words(self, place: tuple[str, int]) -> tuple[str, str]:
        return self._group, f"{place[0]}/{place[1]}"

    async def _committed(self, places: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        rows = await self._connection.fetch(
            "SELECT topic, partition, committed FROM group_offsets WHERE group_name = $1 AND topic = ANY($2::text[])",
            self._group, self._topics,
        )  # fmt: skip
        committed = {(row["topic"], row["partition"]): row["committed"] for row in rows}
        return {place: committed.get(place, 0) for place in places}

    async def _read(self, max_records: int) -> list[StoredRecord]:
        ends = await self._connection.fetch(
            "SELECT topic, partition, next_offset FROM partitions WHERE topic = ANY($1::text[])", self._topics
        )
        behind = [
            (place, position)
            for row in ends
            if (position := self._held.get(place := (row["topic"], row["partition"]))) is not None
            and row["next_offset"] > position
        ]
        if not behind:
            return []
        rows = await self._connection.fetch(
            'SELECT r.* FROM unnest($1::text[], $2::int[], $3::bigint[]) AS w (topic, partition, position), LATERAL ('
            'SELECT * FROM (SELECT *, sum(coalesce(octet_length(value), 0)) OVER (ORDER BY "offset") AS bytes FROM ('
            'SELECT topic, partition, "offset", key, value FROM records WHERE topic = w.topic AND '
            'partition = w.partition AND "offset" >= w.position ORDER BY "offset" LIMIT $4) AS next) AS sized '
            'WHERE bytes - coalesce(octet_length(value), 0) < $5) AS r ORDER BY r.topic, r.partition, r."offset"',
            [topic for (topic, _), _ in behind], [partition for (_, partition), _ in behind],
            [position for _, position in behind], -(-max_records // len(behind)), _FETCH_BYTES // len(behind),
        )  # fmt: skip
        records = [
            StoredRecord(row["topic"], row["partition"], row["offset"], row["key"], row["value"]) for row in rows
        ]
        for record in records:
            self._held[record.topic, record.partition] = record.offset + 1
        return records


async def _forget(
    connection: asyncpg.Connection,
    by_partition: Mapping[tuple[str, int], Sequence[Record]],
    base: Mapping[tuple[str, int], int],
) -> None:
    """Delete what stands before a tombstone under its key; the other records keep their offsets."""
    tombstones = [
        (*place, base[place] + n, record.key)
        for place, records in by_partition.items()
        for n, record in enumerate(records)
        if record.value is None
    ]
    if tombstones:
        topics, partitions, offsets, keys = zip(*tombstones, strict=True)
        await connection.execute(
            "DELETE FROM records AS r USING unnest($1::text[], $2::int[], $3::bigint[], $4::text[]) "
            'AS t (topic, partition, "offset", key) WHERE (r.topic, r.partition, r.key) = (t.topic, t.partition, '
            't.key) AND r."offset" < t."offset"',
            topics, partitions, offsets, keys,
        )  # fmt: skip


_LOCK_KEY = "hashtext($1), hashtext($2)"
