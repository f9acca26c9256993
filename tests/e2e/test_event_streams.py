"""Experiments 14 to 16: a poisoned event among many, every event three times, everything again from the beginning."""

import random
from collections import Counter
from typing import Any
from uuid import UUID

from chassis.event_log import open_event_log
from contracts.catalogue import TOPICS
from tests.e2e.conftest import ExperimentFor
from tests.e2e.events import append, customer_named, interleaved, recorded, spoiled
from tests.support.platform import PlatformProcess

CONSUMERS = ("customer", "scoring", "campaign")
# What of a customer must not depend on how often and between which others its events came. Versions may, and so may the
# probability that others were last told: a batch may be scored once or event by event, and small moves are not told.
STATE = {
    "customer": (
        "SELECT kind, interaction_count, first_at, last_at FROM interaction_counts WHERE customer_id = $1 ORDER BY 1",
        "SELECT occurred_at, kind, amount FROM recent_interactions WHERE customer_id = $1 ORDER BY 1, 2, 3",
        "SELECT tier, stage FROM standings WHERE customer_id = $1",
    ),
    "scoring": (
        "SELECT day, known_day, purchase_count, purchase_amount, margin, return_count, return_amount, visit_count, "
        "complaint_count FROM activity WHERE customer_id = $1 ORDER BY 1, 2",
        "SELECT probability, band, base, model, expected_margin, tier, stage FROM scores WHERE customer_id = $1",
    ),
    "campaign": ("SELECT tier, stage FROM customers WHERE customer_id = $1",),
}


async def test_of_ten_thousand_events_only_the_poisoned_one_is_buried(platform: PlatformProcess, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"poison-{seed}-{number}" for number in range(200)]
    sequences = {name: [recorded(name, number, chance) for number in range(50)] for name in names}
    victim, place = chance.choice(names), chance.randrange(5, 45)
    sequences[victim][place] = spoiled(sequences[victim][place])
    await append(platform, interleaved(list(sequences.values()), chance))
    await platform.settle(within_seconds=180)

    buried = await dead_letters(platform)
    assert Counter(letter["service"] for letter in buried) == Counter(CONSUMERS)
    assert {letter["key"] for letter in buried} == {str(customer_named(victim))}
    whole = dict.fromkeys(names, 50)
    # Whatever came before it is applied, whatever came after waits, and nobody else does.
    assert await applied_counts(platform, names) == {"customer": whole | {victim: place}} | {
        "scoring": whole | {victim: place}
    }
    # Scores of the victim may wait beside them.
    waiting = await parked_counts(platform, where="topic = 'interaction'")
    assert waiting == dict.fromkeys(CONSUMERS, 50 - place - 1)

    async with platform.client() as client:
        for letter in buried:
            (await client.post(f"/v1/dead-letters/{letter['id']}/discard")).raise_for_status()
    assert await applied_counts(platform, names) == dict.fromkeys(("customer", "scoring"), whole | {victim: 49})
    assert await parked_counts(platform) == dict.fromkeys(CONSUMERS, 0)


async def test_events_that_come_three_times_leave_the_state_of_once(platform: PlatformProcess, seed: int) -> None:
    once, thrice = (
        [f"once-{seed}-{number}" for number in range(25)],
        [f"thrice-{seed}-{number}" for number in range(25)],
    )
    alike = [[recorded(name, n, random.Random(f"{seed}/{twin}/{n}"), late_share=0.3) for n in range(20)]
             for names in (once, thrice) for twin, name in enumerate(names)]  # fmt: skip
    chance = random.Random(seed)
    await append(platform, interleaved(alike[:25], chance))
    await platform.settle(within_seconds=120)
    # Three copies of each key's events, one after another or overlapping, the first copies in order.
    copies = [interleaved([sequence] * 3, chance) for sequence in alike[25:]]
    await append(platform, interleaved(copies, chance))
    await platform.settle(within_seconds=120)
    for first, second in zip(once, thrice, strict=True):
        assert await state_of(platform, customer_named(first)) == await state_of(platform, customer_named(second))


async def test_everything_read_again_changes_nothing_and_sends_nothing(
    platform: PlatformProcess, experiment: ExperimentFor
) -> None:
    async with experiment(platform, "16: replay from offset 0", client_count=3) as running:
        await running.traffic.more(100)
        await running.traffic.finish()
        await running.verify()
        before, sent = await fingerprint(platform), running.receiver.copies.copy()
        platform.kill()
        await read_from_the_beginning(platform)
        platform.start()
        await platform.wait_until_ready()
        assert await platform.backlog(), "there is nothing to replay"
        await platform.settle(within_seconds=120)
        running.fault_count += 1
        assert await fingerprint(platform) == before
        assert running.receiver.copies == sent


async def dead_letters(platform: PlatformProcess) -> list[dict[str, Any]]:
    async with platform.client() as client:
        answer = await client.get("/v1/dead-letters", params={"limit": 200})
    answer.raise_for_status()
    letters: list[dict[str, Any]] = answer.json()["items"]
    return letters


async def applied_counts(platform: PlatformProcess, names: list[str]) -> dict[str, dict[str, int]]:
    """How many interactions of each customer `customer` and `scoring` have taken in."""
    counted = "purchase_count + return_count + visit_count + complaint_count"
    queries = {
        "customer": "SELECT customer_id, sum(interaction_count)::int FROM interaction_counts "
        "WHERE customer_id = ANY($1) GROUP BY 1",
        "scoring": f"SELECT customer_id, sum({counted})::int FROM activity WHERE customer_id = ANY($1) GROUP BY 1",
    }
    names_by_id = {customer_named(name): name for name in names}
    return {
        service: {
            names_by_id[row[0]]: row[1] for row in await platform.rows(f"stave_{service}", query, list(names_by_id))
        }
        for service, query in queries.items()
    }


async def parked_counts(platform: PlatformProcess, *, where: str = "true") -> dict[str, int]:
    query = f"SELECT count(*) FROM parked WHERE {where}"
    return {service: (await platform.rows(f"stave_{service}", query))[0][0] for service in CONSUMERS}


async def state_of(platform: PlatformProcess, customer_id: UUID) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for service, queries in STATE.items()
        for query in queries
        for row in await platform.rows(f"stave_{service}", query, customer_id)
    ]


async def read_from_the_beginning(platform: PlatformProcess) -> None:
    """Make every consumer forget how far it has come; nobody may be reading."""
    log = open_event_log(platform.database_url("stave_event_log"))
    for group in (*CONSUMERS, "interaction"):
        await log.seek_to_beginning(group, TOPICS)
    await log.close()


async def fingerprint(platform: PlatformProcess) -> dict[str, str]:
    """A hash of every table of every service."""
    found = {}
    for service in (*CONSUMERS, "interaction"):
        database = f"stave_{service}"
        tables = await platform.rows(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            hashed = f"SELECT coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM {table} AS t"
            found[f"{service}.{table}"] = (await platform.rows(database, hashed))[0][0]
    return found
