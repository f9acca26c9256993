"""A running platform, and a table of what the experiments found."""

import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.experiment import Experiment
from tests.support.platform import PlatformProcess

SEED_VARIABLE = "CRASH_SEED"
_RESULT = "experiment"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """What this test's randomness grows from: another one each time, or the one CRASH_SEED names."""
    chosen = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(1_000_000))
    sys.stdout.write(f"{SEED_VARIABLE}={chosen} repeats {request.node.name}\n")
    return chosen


@pytest.fixture(scope="module")
def shared_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    """One data folder for all tests of a module."""
    platform = PlatformProcess(tmp_path_factory.mktemp("stave") / "data")
    yield platform
    platform.stop()


@pytest.fixture
async def platform(shared_platform: PlatformProcess) -> PlatformProcess:
    """The module's platform: running, ready, its business clock at noon."""
    if not shared_platform.is_running:
        shared_platform.start()
    await shared_platform.wait_until_ready()
    await shared_platform.set_clock()
    return shared_platform


@pytest.fixture
def fresh_platform(tmp_path: Path) -> Iterator[PlatformProcess]:
    """A platform of this test's own, not started."""
    platform = PlatformProcess(tmp_path / "data")
    yield platform
    platform.stop()


ExperimentFor = Callable[..., Any]


@pytest.fixture
def experiment(seed: int, record_property: Callable[[str, object], None]) -> ExperimentFor:
    """`async with experiment(platform, "2: …", bulk=20) as running`: traffic, and the invariant checked at the end."""

    @asynccontextmanager
    async def begin(platform: PlatformProcess, title: str, **traffic: Any) -> AsyncIterator[Experiment]:
        running = Experiment(platform, title, seed=seed)
        try:
            async with running.under_way(**traffic):
                yield running
        finally:
            record_property(_RESULT, running.row())

    return begin


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show what each experiment found."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    rows = {row for report in reports for name, row in getattr(report, "user_properties", []) if name == _RESULT}
    if rows:
        terminalreporter.section("experiments", sep="-")
        terminalreporter.write_line(Experiment.HEADINGS)
        for row in sorted(rows):
            terminalreporter.write_line(row)
