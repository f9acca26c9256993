import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from chassis.trace import new_trace
from interaction.bodies import CustomerReference, InteractionBody
from interaction.entries import Entry, Outcome
from interaction.errors import WriterIsBusy
from interaction.writer import MAX_WAITING, Writer

AT = datetime(2024, 1, 1, tzinfo=UTC)


def entry(number: int) -> Entry:
    body = InteractionBody(
        source="shop", source_id=str(number), customer=CustomerReference(id=UUID(int=1)), channel="web", kind="visit",
        occurred_at=AT,
    )  # fmt: skip
    return Entry(UUID(int=number), body, 0, AT, AT, new_trace())


class Log:
    """Commits batches into memory; refuses those with a poisonous entry, or everything while it is down."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.poison: set[int] = set()
        self.down = False

    async def commit(self, entries: Sequence[Entry]) -> list[Outcome]:
        await asyncio.sleep(0)
        if self.down:
            raise ConnectionResetError
        if any(one.id.int in self.poison for one in entries):
            raise ValueError("poison")
        self.batches.append([one.id.int for one in entries])
        return [Outcome(one.id, UUID(int=1), False) for one in entries]


async def test_what_arrives_during_a_commit_is_committed_together_in_order() -> None:
    log = Log()
    writer = Writer(log.commit)
    outcomes = await asyncio.gather(*(writer.write(entry(number)) for number in range(1, 11)))
    assert [outcome.id.int for outcome in outcomes] == list(range(1, 11))
    assert [number for batch in log.batches for number in batch] == list(range(1, 11))
    assert len(log.batches) <= 2


async def test_an_entry_that_fails_takes_no_other_with_it() -> None:
    log = Log()
    log.poison = {3}
    writer = Writer(log.commit)
    outcomes = await asyncio.gather(*(writer.write(entry(number)) for number in range(1, 6)), return_exceptions=True)
    assert [isinstance(outcome, ValueError) for outcome in outcomes] == [False, False, True, False, False]
    assert sorted(number for batch in log.batches for number in batch) == [1, 2, 4, 5]


async def test_trouble_with_the_database_is_told_to_everybody_and_passes() -> None:
    log = Log()
    log.down = True
    writer = Writer(log.commit)
    outcomes = await asyncio.gather(*(writer.write(entry(number)) for number in range(3)), return_exceptions=True)
    assert all(isinstance(outcome, ConnectionResetError) for outcome in outcomes)
    log.down = False
    assert (await writer.write(entry(9))).id.int == 9


async def test_beyond_its_limit_the_writer_takes_nothing_more() -> None:
    writer = Writer(Log().commit)
    waiting = [asyncio.create_task(writer.write(entry(number))) for number in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(WriterIsBusy):
        await writer.write(entry(MAX_WAITING))
    assert len(await asyncio.gather(*waiting)) == MAX_WAITING
