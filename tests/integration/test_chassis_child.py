"""Computation in child processes: outcomes come back, and no child outlives its parent."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from chassis.child import ChildDied, run_in_child
from tests.support.computations import Refused, kill_oneself, refuse, sleep_long, thread_limit
from tests.support.eventually import eventually

PARENT = """
import asyncio
from chassis.child import run_in_child
from tests.support.computations import sleep_long
asyncio.run(run_in_child(sleep_long, 300.0))
"""


async def test_the_result_comes_back_from_a_process_with_one_thread() -> None:
    assert await run_in_child(thread_limit, 41) == 42


async def test_an_exception_comes_back_as_itself() -> None:
    with pytest.raises(Refused, match="not that"):
        await run_in_child(refuse)


async def test_a_child_that_is_killed_is_told_as_such() -> None:
    with pytest.raises(ChildDied, match="kill_oneself"):
        await run_in_child(kill_oneself)


async def test_cancelling_ends_the_child() -> None:
    running = asyncio.create_task(run_in_child(sleep_long, 300.0))
    child = await eventually(lambda: _computing(os.getpid()))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(lambda: not child.is_running())


async def test_the_child_dies_with_its_parent() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, env=os.environ | {"PYTHONPATH": str(Path.cwd())}
    )
    child = await eventually(lambda: _computing(parent.pid))
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def _computing(parent: int) -> psutil.Process | None:
    found = [one for one in psutil.Process(parent).children() if "chassis.child" in one.cmdline()]
    return found[0] if found else None
