"""Functions that tests run in child processes."""

import os
import signal
import time


class Refused(Exception):
    """An error that crosses the border of processes."""


def thread_limit(add: int) -> int:
    print("what is printed is no outcome")  # noqa: T201
    return int(os.environ["OMP_NUM_THREADS"]) + add


def refuse() -> None:
    raise Refused("not that")


def kill_oneself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep_long(seconds: float) -> None:
    time.sleep(seconds)
