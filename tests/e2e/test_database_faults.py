"""Experiments 8 to 10: PostgreSQL is killed, stopped or cut off while clients write."""

import asyncio
import signal
import time

import asyncpg
import pytest

from tests.e2e.conftest import ExperimentFor
from tests.support.eventually import eventually
from tests.support.platform import PlatformProcess

KILLS = [pytest.param(5, id="short"), pytest.param(100, id="full", marks=pytest.mark.chaos)]
# Promised are 1 s and 5 s on an idle machine; this one may be running other tests beside.
REFUSED_WITHIN_SECONDS = 5.0
HEALED_WITHIN_SECONDS = 25.0
STOPPED_SECONDS = 20.0


@pytest.mark.parametrize("kills", KILLS)
async def test_a_killed_postgresql_comes_back_and_nothing_acknowledged_is_lost(
    platform: PlatformProcess, experiment: ExperimentFor, kills: int
) -> None:
    slowest_healing = 0.0
    async with experiment(platform, "8: PostgreSQL killed") as running:
        for _ in range(kills):
            await running.traffic.more(running.chance.randint(5, 60))
            platform.postgres_processes()[0].kill()
            running.fault_count += 1
            slowest_healing = max(slowest_healing, await healed_after_seconds(platform))
        refused = running.traffic.answers.slowest_refusal_seconds
        running.remark = f"refused within {refused:.1f} s, healed within {slowest_healing:.1f} s"
    assert refused < REFUSED_WITHIN_SECONDS
    assert slowest_healing < HEALED_WITHIN_SECONDS
    assert platform.is_running


async def test_connections_that_are_cut_at_random_cost_no_write(
    platform: PlatformProcess, experiment: ExperimentFor
) -> None:
    async with experiment(platform, "10: backends terminated") as running:
        for _ in range(15):
            await running.traffic.more(running.chance.randint(1, 20))
            running.fault_count += await terminate_some_backends(platform, share=running.chance.uniform(0.1, 0.6))
    assert running.fault_count > 0


@pytest.mark.chaos
async def test_a_postgresql_that_hangs_is_told_of_and_survived(
    platform: PlatformProcess, experiment: ExperimentFor
) -> None:
    async with experiment(platform, "9: PostgreSQL stopped for 20 s") as running:
        await running.traffic.more(30)
        stopped = platform.postgres_processes()
        for process in stopped:
            process.send_signal(signal.SIGSTOP)
        # The experiment is the waiting.
        await asyncio.sleep(STOPPED_SECONDS)
        for process in stopped:
            process.send_signal(signal.SIGCONT)
        running.fault_count += 1
        await eventually(platform.postgres_processes, within_seconds=10)
        await running.traffic.more(30)
    assert platform.is_running


async def healed_after_seconds(platform: PlatformProcess) -> float:
    """How long it takes until a write that is sent from now on is answered with success."""
    began = time.monotonic()

    async def writes() -> bool:
        async with platform.client() as client:
            return (await client.post("/v1/customers", json={"kind": "person", "name": "Probe"})).status_code == 201

    await eventually(writes, within_seconds=60)
    return time.monotonic() - began


async def terminate_some_backends(platform: PlatformProcess, *, share: float) -> int:
    """Have the server end that share of its clients' connections; returns how many."""
    connection = await asyncpg.connect(platform.database_url())
    try:
        ended = await connection.fetch(
            "SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < $1",
            share,
        )
    finally:
        await connection.close()
    return sum(row["ended"] for row in ended)
