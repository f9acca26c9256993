"""One suite that every event log must pass, whichever broker stands behind it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from chassis.event_log import EventLog, LogReader, Record, StoredRecord
from tests.support.eventually import eventually

TOPIC = "customer"
OTHER = "scoring"


@pytest.fixture(params=["postgres"])
def log(request: pytest.FixtureRequest) -> EventLog:
    """Each event log there is."""
    return request.getfixturevalue({"postgres": "event_log"}[request.param])


@pytest.fixture
async def join(log: EventLog) -> AsyncIterator[Callable[..., object]]:
    """Join a group; left again when the test ends."""
    async with AsyncExitStack() as stack:

        async def join(group: str = "readers", topics: tuple[str, ...] = (TOPIC,)) -> LogReader:
            reader = await log.reader(group, topics)
            stack.push_async_callback(reader.close)
            return reader

        yield join


def records(count: int, *, topic: str = TOPIC, keys: int = 7) -> list[Record]:
    return [Record(topic, f"key-{n % keys}", str(n).encode()) for n in range(count)]


async def read(reader: LogReader, count: int, *, commit: bool = True) -> list[StoredRecord]:
    found: list[StoredRecord] = []

    async def enough() -> bool:
        batch = await reader.fetch(max_records=100, timeout_seconds=0.2)
        found.extend(batch)
        if commit and batch:
            await reader.commit(batch)
        return len(found) >= count

    await eventually(enough, within_seconds=30)
    return found


async def test_what_is_appended_is_read_once_and_in_order_of_each_key(log: EventLog, join) -> None:
    await log.append(records(1000))
    found = await read(await join(), 1000)
    assert sorted(int(record.value or b"") for record in found) == list(range(1000))
    for key in {record.key for record in found}:
        values = [int(record.value or b"") for record in found if record.key == key]
        assert values == sorted(values)


async def test_a_key_stays_in_one_partition_and_offsets_grow_by_one(log: EventLog, join) -> None:
    await log.append(records(200))
    await log.append(records(200))
    found = await read(await join(), 400)
    assert all(len({r.partition for r in found if r.key == key}) == 1 for key in {r.key for r in found})
    for partition in {r.partition for r in found}:
        offsets = [r.offset for r in found if r.partition == partition]
        assert offsets == list(range(len(offsets)))


async def test_uncommitted_records_come_again_to_the_next_member(log: EventLog, join) -> None:
    await log.append(records(50))
    first = await join()
    await read(first, 50, commit=False)
    await first.close()
    assert len(await read(await join(), 50)) == 50


async def test_committed_records_do_not_come_again(log: EventLog, join) -> None:
    await log.append(records(50))
    first = await join()
    await read(first, 50)
    await first.close()
    await log.append([Record(TOPIC, "key-1", b"later")])
    assert [record.value for record in await read(await join(), 1)] == [b"later"]


async def test_rewinding_brings_back_what_was_not_committed(log: EventLog, join) -> None:
    await log.append(records(30))
    reader = await join()
    await read(reader, 30, commit=False)
    await reader.rewind()
    assert len(await read(reader, 30)) == 30


async def test_groups_read_independently(log: EventLog, join) -> None:
    await log.append(records(20))
    assert len(await read(await join("one"), 20)) == 20
    assert len(await read(await join("two"), 20)) == 20


async def test_a_tombstone_has_no_value(log: EventLog, join) -> None:
    await log.append([Record(TOPIC, "gone", None)])
    assert [(record.key, record.value) for record in await read(await join(), 1)] == [("gone", None)]


async def test_a_tombstone_forgets_the_keys_earlier_records(log: EventLog, join) -> None:
    await log.append([Record(TOPIC, f"key-{n}", b"before") for n in range(60)])
    await log.append([Record(TOPIC, "key-1", b"again"), Record(TOPIC, "key-1", None), Record(TOPIC, "key-1", b"after")])
    reader = await join()
    found = await read(reader, 61)
    assert [record.value for record in found if record.key == "key-1"] == [None, b"after"]
    assert {record.key for record in found} == {f"key-{n}" for n in range(60)}
    assert sum(lag.count for lag in await log.lag("readers", [TOPIC])) == 0


async def test_a_waiting_reader_is_woken_by_an_append(log: EventLog, join) -> None:
    reader = await join()
    waiting = asyncio.create_task(read(reader, 1))
    await log.append([Record(TOPIC, "key", b"now")])
    assert [record.value for record in await waiting] == [b"now"]


async def test_lag_counts_what_is_not_committed(log: EventLog, join) -> None:
    await log.append(records(40))
    assert sum(lag.count for lag in await log.lag("readers", [TOPIC])) == 40
    await read(await join(), 40)
    assert sum(lag.count for lag in await log.lag("readers", [TOPIC])) == 0


async def test_lag_says_since_when_the_first_record_waits(log: EventLog, join) -> None:
    before = datetime.now(UTC)
    await log.append([Record(TOPIC, "key", b"1")])
    between = datetime.now(UTC)
    await log.append([Record(TOPIC, "key", b"2")])

    async def waiting_since() -> list[datetime]:
        return [lag.oldest_at for lag in await log.lag("readers", [TOPIC]) if lag.oldest_at is not None]

    (first,) = await waiting_since()
    assert before <= first <= between
    reader = await join()
    one, other = await read(reader, 2, commit=False)
    await reader.commit([one])
    (second,) = await waiting_since()
    assert between <= second
    await reader.commit([other])
    assert await waiting_since() == []


async def test_a_group_can_start_again_from_the_beginning(log: EventLog, join) -> None:
    await log.append(records(25))
    first = await join()
    await read(first, 25)
    await first.close()
    await log.seek_to_beginning("readers", [TOPIC])
    assert len(await read(await join(), 25)) == 25


async def test_members_share_partitions_and_take_over_from_one_that_leaves(log: EventLog, join) -> None:
    first, second = await join(), await join()

    async def shared() -> bool:
        await first.fetch(max_records=1, timeout_seconds=0.05)
        await second.fetch(max_records=1, timeout_seconds=0.05)
        mine = {n for n in range(12) if first.assigned(TOPIC, n)}
        theirs = {n for n in range(12) if second.assigned(TOPIC, n)}
        return not mine & theirs and len(mine) == len(theirs) == 6

    await eventually(shared, within_seconds=15)
    await second.close()
    await log.append(records(120, keys=60))
    assert len({record.value for record in await read(first, 120)}) == 120


async def test_a_waiting_member_takes_over_at_once_from_one_that_leaves(log: EventLog, join) -> None:
    first, second = await join(), await join()
    assert await second.fetch(max_records=1, timeout_seconds=0.05) == []
    waiting = asyncio.create_task(first.fetch(max_records=1, timeout_seconds=30))
    began = time.monotonic()
    await second.close()
    await eventually(lambda: all(first.assigned(TOPIC, n) for n in range(12)))
    assert time.monotonic() - began < 3
    first.interrupt()
    await waiting


async def test_members_that_come_and_go_under_load_lose_nothing(log: EventLog, join) -> None:
    wanted = {str(n).encode() for n in range(600)}
    seen: set[bytes | None] = set()
    members = [await join()]
    for start in range(0, 600, 100):
        await log.append([Record(TOPIC, f"key-{n}", str(n).encode()) for n in range(start, start + 100)])
        if len(members) < 3:
            members.append(await join())
        else:
            await members.pop(0).close()
        for member in members:
            batch = await member.fetch(max_records=30, timeout_seconds=0.1)
            seen.update(record.value for record in batch)
            await member.commit(batch)

    async def all_seen() -> bool:
        for member in members:
            batch = await member.fetch(max_records=100, timeout_seconds=0.1)
            seen.update(record.value for record in batch)
            await member.commit(batch)
        return seen == wanted

    await eventually(all_seen, within_seconds=30)


async def test_topics_do_not_mix(log: EventLog, join) -> None:
    await log.append([*records(10), *records(10, topic=OTHER)])
    assert {record.topic for record in await read(await join(topics=(OTHER,)), 10)} == {OTHER}


async def test_concurrent_appenders_leave_no_gap(log: EventLog, join) -> None:
    await asyncio.gather(*(log.append(records(50, keys=50)) for _ in range(10)))
    found = await read(await join(), 500)
    for partition in {record.partition for record in found}:
        offsets = [record.offset for record in found if record.partition == partition]
        assert offsets == list(range(len(offsets)))


async def test_an_unknown_topic_is_refused(log: EventLog) -> None:
    with pytest.raises(LookupError, match="no topic"):
        await log.append([Record("no-such-topic", "key", b"{}")])
