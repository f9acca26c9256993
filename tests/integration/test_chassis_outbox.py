"""Outbox, relay, inbox, consumer, dead letters on a real PostgreSQL."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chassis import dead_letters
from chassis.consumer import Consumer, Received
from chassis.database import Database
from chassis.event_log import EventLog, Record
from chassis.lag import LagSampler
from chassis.outbox import Relay, publish, write_outbox
from chassis.telemetry import JsonFormatter
from chassis.trace import continue_trace
from chassis.worker import Wake, Worker, WorkerGroup
from contracts.customer import CustomerErased
from contracts.scoring import ModelPromoted
from tests.support.eventually import eventually

AT = "2026-01-01T00:00:00Z"


def promoted(kind: str, model: str = "churn/1") -> ModelPromoted:
    return ModelPromoted(model=model, kind=kind, promoted_at=AT)  # type: ignore[arg-type]


class Applied:
    """Handlers whose effects are rows, so that they roll back with their transaction."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.batches: list[int] = []

    async def on_model_promoted(self, session: AsyncSession, received: Sequence[Received[Any]], _parts: Any) -> None:
        self.batches.append(len(received))
        for item in received:
            await session.execute(text("INSERT INTO applied (what) VALUES (:what)"), {"what": item.event.model})
            if item.event.model in self.broken:
                raise ValueError("cannot be applied")


@pytest.fixture
async def database(scratch_database: Database) -> Database:
    scratch_database.before_commit(write_outbox)
    async with scratch_database.write() as session:
        await session.execute(text("CREATE TABLE applied (seq bigint GENERATED ALWAYS AS IDENTITY, what text)"))
    return scratch_database


@asynccontextmanager
async def working(*workers: Worker) -> AsyncIterator[None]:
    group = WorkerGroup(list(workers))
    group.start()
    try:
        yield
    finally:
        await group.stop()


async def applied(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(text("SELECT what FROM applied ORDER BY seq")))


async def publish_all(database: Database, *events: ModelPromoted) -> None:
    async with database.write() as session:
        for event in events:
            publish(session, event)


def consumer_of(database: Database, event_log: EventLog, handlers: Applied) -> Consumer:
    subscriptions = {ModelPromoted: handlers.on_model_promoted}
    return Consumer("scratch", database=database, event_log=event_log, subscriptions=subscriptions, parts=None)


async def test_an_event_is_published_if_and_only_if_its_transaction_commits(
    database: Database, event_log: EventLog
) -> None:
    async def publish_and_fail() -> None:
        async with database.write() as session:
            publish(session, promoted("churn", "rolled back"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await publish_and_fail()
    await publish_all(database, promoted("churn", "committed"))
    async with working(Relay(database, event_log, Wake()), consumer_of(database, event_log, Applied())):
        await eventually(lambda: applied(database))
    assert await applied(database) == ["committed"]


async def test_events_of_one_subject_keep_their_order(database: Database, event_log: EventLog) -> None:
    models = [f"churn/{n}" for n in range(300)]
    for start in range(0, 300, 50):
        await publish_all(database, *(promoted("churn", model) for model in models[start : start + 50]))

    async def all_applied() -> bool:
        return len(await applied(database)) == 300

    async with working(Relay(database, event_log, Wake()), consumer_of(database, event_log, Applied())):
        await eventually(all_applied)
    assert await applied(database) == models


async def test_an_event_that_arrives_three_times_is_applied_once(database: Database, event_log: EventLog) -> None:
    await publish_all(database, promoted("churn"))
    async with database.read() as session:
        row = (await session.execute(text("SELECT topic, key, payload FROM outbox"))).one()
    await event_log.append([Record(row.topic, row.key, row.payload)] * 2)
    async with working(Relay(database, event_log, Wake()), consumer_of(database, event_log, Applied())):

        async def drained() -> bool:
            behind = await event_log.lag("scratch", ["scoring"])
            return sum(lag.end for lag in behind) == 3 and not sum(lag.count for lag in behind)

        await eventually(drained)
    assert await applied(database) == ["churn/1"]


async def test_of_two_relays_one_publishes_and_the_other_takes_over(database: Database, event_log: EventLog) -> None:
    first_stop, second_stop = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(Relay(database, event_log, Wake()).run(first_stop))
    second = asyncio.create_task(Relay(database, event_log, Wake()).run(second_stop))

    async def holders() -> int:
        async with database.read() as session:
            query = (
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = "
                "(SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            return int(await session.scalar(text(query)) or 0)

    await eventually(holders)
    assert await holders() == 1
    first_stop.set()
    await publish_all(database, promoted("churn"))

    async def published() -> bool:
        return bool(sum(lag.end for lag in await event_log.lag("any", ["scoring"])))

    try:
        await eventually(published)
    finally:
        second_stop.set()
        await asyncio.gather(first, second)


async def test_a_poison_event_is_buried_its_key_parked_and_others_go_on(
    database: Database, event_log: EventLog
) -> None:
    handlers = Applied()
    handlers.broken.add("poison")
    await publish_all(
        database, promoted("churn", "before"), promoted("churn", "poison"), promoted("churn", "behind"),
        promoted("value", "elsewhere"),
    )  # fmt: skip
    consumer = consumer_of(database, event_log, handlers)
    async with working(Relay(database, event_log, Wake()), consumer):

        async def waiting() -> bool:
            return await count(database, "parked") == 1 and len(await applied(database)) == 2

        await eventually(waiting)
        assert sorted(await applied(database)) == ["before", "elsewhere"]
        handlers.broken.clear()
        assert await dead_letters.replay(database, consumer, await buried(database)) == 2
    assert [what for what in await applied(database) if what != "elsewhere"] == ["before", "poison", "behind"]
    assert await count(database, "parked") == 0


async def test_a_replay_that_fails_again_changes_nothing(database: Database, event_log: EventLog) -> None:
    handlers = Applied()
    handlers.broken.add("poison")
    await publish_all(database, promoted("churn", "poison"), promoted("churn", "behind"))
    consumer = consumer_of(database, event_log, handlers)
    async with working(Relay(database, event_log, Wake()), consumer):

        async def waiting() -> bool:
            return await count(database, "parked") == 1

        await eventually(waiting)
    letter = await buried(database)
    with pytest.raises(dead_letters.ReplayFailed, match="cannot be applied"):
        await dead_letters.replay(database, consumer, letter)
    assert await buried(database) == letter
    assert await count(database, "parked") == 1
    assert await applied(database) == []


async def test_discarding_lets_the_key_go_on(database: Database, event_log: EventLog) -> None:
    handlers = Applied()
    handlers.broken.add("poison")
    await publish_all(database, promoted("churn", "poison"), promoted("churn", "behind"))
    consumer = consumer_of(database, event_log, handlers)
    async with working(Relay(database, event_log, Wake()), consumer):

        async def waiting() -> bool:
            return await count(database, "parked") == 1

        await eventually(waiting)
    assert await dead_letters.discard(database, consumer, await buried(database)) == 1
    assert await applied(database) == ["behind"]


async def test_what_is_not_an_event_is_buried_without_its_values(database: Database, event_log: EventLog) -> None:
    secret = b'{"specversion": "1.0", "name": "Ada Lovelace"}'
    await event_log.append([Record("scoring", "some-key", secret), Record("scoring", "some-key", b"not json")])
    async with working(consumer_of(database, event_log, Applied())):

        async def both_buried() -> bool:
            return await count(database, "dead_letters") == 2

        await eventually(both_buried)
    async with database.read() as session:
        rows = (await session.execute(text("SELECT key, error FROM dead_letters"))).all()
    assert {row.key for row in rows} == {"some-key"}
    assert not any("Ada" in row.error for row in rows)


async def test_an_event_nobody_here_knows_is_passed_over(database: Database, event_log: EventLog) -> None:
    await publish_all(database, promoted("churn"))
    async with database.write() as session:
        await session.execute(text("UPDATE outbox SET payload = convert_to(replace(convert_from(payload, 'UTF8'), "
                                   "'model_promoted.v1', 'model_promoted.v9'), 'UTF8')"))  # fmt: skip
    await publish_all(database, promoted("churn", "known"))
    async with working(Relay(database, event_log, Wake()), consumer_of(database, event_log, Applied())):
        await eventually(lambda: applied(database))
    assert await applied(database) == ["known"]
    assert await count(database, "dead_letters") == 0


async def test_erasure_passes_a_parked_key(database: Database, event_log: EventLog) -> None:
    customer_id = uuid4()
    erased: list[UUID] = []

    async def on_customer_erased(_session: AsyncSession, received: Sequence[Received[Any]], _parts: Any) -> None:
        erased.extend(item.event.customer_id for item in received)

    async with database.write() as session:
        await session.execute(
            text("INSERT INTO dead_letters (id, consumer, topic, partition, \"offset\", key, error) "
                 "VALUES (:id, 'scratch', 'customer', 0, 0, :key, 'x')"),
            {"id": uuid4(), "key": str(customer_id)},
        )  # fmt: skip
        publish(session, CustomerErased(customer_id=customer_id, erased_at=AT))  # type: ignore[arg-type]
    consumer = Consumer(
        "scratch",
        database=database,
        event_log=event_log,
        subscriptions={CustomerErased: on_customer_erased},
        parts=None,
    )
    async with working(Relay(database, event_log, Wake()), consumer):
        await eventually(lambda: erased)
    assert erased == [customer_id]


async def test_a_database_that_goes_away_only_delays(database: Database, event_log: EventLog) -> None:
    async with working(Relay(database, event_log, Wake()), consumer_of(database, event_log, Applied())):
        await publish_all(database, *(promoted("churn", f"churn/{n}") for n in range(20)))
        async with database.read() as session:
            everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
            await session.execute(text(f"{everybody} (datname = current_database() OR datname LIKE 'event_log%')"))

        async def all_applied() -> bool:
            return len(await applied(database)) == 20

        await eventually(all_applied, within_seconds=20)
    assert await applied(database) == [f"churn/{n}" for n in range(20)]


def metric(name: str) -> float:
    return REGISTRY.get_sample_value(name, {"service": "scratch"}) or 0.0


async def test_the_lag_and_its_age_show_while_a_batch_is_handled(database: Database, event_log: EventLog) -> None:
    done = asyncio.Event()

    class Slow(Applied):
        async def on_model_promoted(self, session: AsyncSession, received: Sequence[Received[Any]], parts: Any) -> None:
            await done.wait()
            await super().on_model_promoted(session, received, parts)

    consumer = consumer_of(database, event_log, Slow())
    sampler = LagSampler("scratch", event_log=event_log, topics=consumer.topics)
    await publish_all(database, promoted("churn"), promoted("value"))
    async with working(Relay(database, event_log, Wake()), consumer, sampler):
        await eventually(lambda: metric("consumer_lag") == 2)
        age = await eventually(lambda: metric("consumer_lag_age_seconds"))
        await eventually(lambda: metric("consumer_lag_age_seconds") > age + 0.1)
        done.set()
        await eventually(lambda: metric("consumer_lag") == metric("consumer_lag_age_seconds") == 0)


async def test_the_age_of_the_outbox_grows_while_an_append_hangs(database: Database, event_log: EventLog) -> None:
    blocker = await asyncpg.connect(event_log.url)  # type: ignore[attr-defined]
    async with working(Relay(database, event_log, Wake())):
        async with blocker.transaction():
            await blocker.execute("SELECT FROM partitions FOR UPDATE")
            await publish_all(database, promoted("churn"))
            age = await eventually(lambda: metric("outbox_age_seconds"))
            await eventually(lambda: metric("outbox_age_seconds") > age + 0.1)
        await eventually(lambda: metric("outbox_age_seconds") == 0)
    await blocker.close()


async def test_the_log_line_of_a_buried_event_carries_its_trace(database: Database, event_log: EventLog) -> None:
    lines: list[dict[str, Any]] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JsonFormatter("scratch").format(record)))

    handler, handlers = Keeping(), Applied()
    handlers.broken.add("poison")
    with continue_trace(None) as trace:
        await publish_all(database, promoted("churn", "poison"))
    dead_letters.logger.addHandler(handler)
    try:
        async with working(Relay(database, event_log, Wake()), consumer_of(database, event_log, handlers)):
            await eventually(lambda: lines)
    finally:
        dead_letters.logger.removeHandler(handler)
    assert [line["trace_id"] for line in lines if "buried" in line["message"]] == [trace.trace_id]


async def buried(database: Database) -> UUID:
    async with database.read() as session:
        found = await session.scalar(text("SELECT id FROM dead_letters WHERE state = 'buried'"))
    assert isinstance(found, UUID)
    return found


async def count(database: Database, table: str) -> int:
    async with database.read() as session:
        return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)
