"""Experiment 28: the process and its PostgreSQL are killed together, again and again, and the files stay whole."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from standalone.postgres.binaries import installed_binaries
from tests.e2e.conftest import ExperimentFor
from tests.support.platform import PlatformProcess

KILLS = [pytest.param(5, id="short"), pytest.param(100, id="full", marks=pytest.mark.chaos)]
_LONGEST_LIFE_SECONDS = 6.0


@pytest.mark.parametrize("kills", KILLS)
async def test_nothing_is_lost_or_broken_when_everything_is_killed_at_random_moments(
    platform: PlatformProcess, experiment: ExperimentFor, kills: int
) -> None:
    async with experiment(platform, "28: process and PostgreSQL together") as running:
        await running.traffic.more(20)
        for _ in range(kills):
            if running.chance.random() < 0.5:
                await running.traffic.more(running.chance.randint(1, 40))
            else:
                # A moment of no meaning, in the middle of a start, of recovery or of work.
                await asyncio.sleep(running.chance.uniform(0, _LONGEST_LIFE_SECONDS))
            platform.kill_with_postgres()
            running.fault_count += 1
            platform.start()
        await platform.wait_until_ready()
        await running.traffic.more(20)
    check_tables(platform)
    platform.shut_down()
    check_pages(platform.cluster)


def check_tables(platform: PlatformProcess) -> None:
    """Have amcheck compare every index with its table, in every database."""
    address = platform.database_url()
    checked = run("pg_amcheck", "--all", "--install-missing", "--heapallindexed", f"--maintenance-db={address}")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def check_pages(cluster: Path) -> None:
    """Have every page's checksum compared; the server must have been stopped in order."""
    checked = run("pg_checksums", "--check", f"--pgdata={cluster}")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Bad checksums:  0" in checked.stdout


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [installed_binaries().program(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
