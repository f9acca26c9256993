"""Experiment 11: the disk that holds the database fills up while clients write."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from standalone.postgres.home import STATE_FOLDER
from tests.e2e.conftest import ExperimentFor
from tests.e2e.test_power_cuts import check_tables
from tests.support.engines import do_without
from tests.support.eventually import eventually
from tests.support.platform import PlatformProcess

# Room for the cluster, its databases and some write-ahead log.
DISK_MEGABYTES = 500
LEFT_BYTES = 200_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, where root's servers live."""
    if os.geteuid() != 0:
        pytest.skip("a small disk takes a mount, and that takes root")
    STATE_FOLDER.mkdir(parents=True, exist_ok=True)
    folder = STATE_FOLDER / f"full-{tmp_path.parent.parent.name}-{os.getpid()}"
    folder.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=0700", "none", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode != 0:
        folder.rmdir()
        do_without("a small disk", reason=mounted.stderr.strip())
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture
def platform_on_small_disk(small_disk: Path, tmp_path: Path) -> Iterator[PlatformProcess]:
    """A platform whose database is on the small disk."""
    platform = PlatformProcess(tmp_path / "data")
    pointer = platform.folder / "postgres" / "location"
    pointer.parent.mkdir(parents=True)
    pointer.write_text(f"{small_disk}\n")
    yield platform
    platform.shut_down()


async def test_a_full_disk_is_told_and_survived(
    platform_on_small_disk: PlatformProcess, small_disk: Path, experiment: ExperimentFor
) -> None:
    platform = platform_on_small_disk
    platform.start()
    await platform.wait_until_ready()
    await platform.set_clock()
    async with experiment(platform, "11: disk full", client_count=3, bulk=200) as running:
        await running.traffic.more(300)
        statuses = running.traffic.answers.statuses
        ballast = fill(small_disk)
        running.fault_count += 1
        # Some writes still find room in pages that are there; then there is none.
        await eventually(lambda: statuses[503] >= 10, within_seconds=120)
        assert platform.is_running
        ballast.unlink()
        await running.traffic.more(300)
    check_tables(platform)


def fill(disk: Path) -> Path:
    """Take nearly all that is left of a disk; returns the file that takes it."""
    ballast = disk / "ballast"
    piece = b"\0" * 1_000_000
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(piece) == len(piece):
                continue
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        file.truncate(file.tell() - LEFT_BYTES)
    return ballast
