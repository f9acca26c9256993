"""Heavy computation in a child process: the event loop stays free, and the child dies with its parent.

Run as `python -m chassis.child`, it reads a pickled call from stdin and writes the pickled outcome to stdout. Both come
from and go to our own parent process only; nothing from outside is ever unpickled.
"""

import asyncio
import contextlib
import ctypes
import os
import pickle
import signal
import struct
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_SIZE = struct.Struct(">Q")
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
_PR_SET_PDEATHSIG = 1


class ChildDied(Exception):
    """The child process ended without an outcome: killed, or out of memory."""


async def run_in_child(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a module-level function in a process of its own, one thread each; cancelling kills it.

    Arguments, result and exception must be picklable. Raises what the function raised, or ChildDied.
    """
    call = pickle.dumps((function, args, kwargs))
    environment = os.environ | _ONE_THREAD | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chassis.child",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        # A child that dies early breaks the pipe; its missing outcome then says so.
        with contextlib.suppress(ConnectionError):
            process.stdin.write(_SIZE.pack(len(call)) + call)
            await process.stdin.drain()
        # stdin stays open: its end is how the child notices that we are gone.
        outcome = await process.stdout.read()
        returncode = await process.wait()
    finally:
        process.stdin.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
    if not outcome:
        raise ChildDied(f"{function.__name__} ended with status {returncode} and no outcome")
    succeeded, value = pickle.loads(outcome)
    if succeeded:
        return value  # type: ignore[no-any-return]
    raise value


def main() -> None:
    """Be the child."""
    _die_with_parent()
    outcome_to = os.fdopen(os.dup(1), "wb")
    # What the function prints must not end up in the outcome.
    os.dup2(2, 1)
    stdin = sys.stdin.buffer
    (size,) = _SIZE.unpack(_read_exactly(stdin, _SIZE.size))
    call = _read_exactly(stdin, size)
    threading.Thread(target=_exit_at_end_of, args=(stdin,), daemon=True).start()
    with outcome_to:
        outcome_to.write(_call(call))
    os._exit(0)


def _call(call: bytes) -> bytes:
    try:
        function, args, kwargs = pickle.loads(call)
        return pickle.dumps((True, function(*args, **kwargs)))
    except Exception as error:
        try:
            outcome = pickle.dumps((False, error))
            # Exceptions with arguments of their own may pickle and yet not unpickle.
            pickle.loads(outcome)
            return outcome
        except Exception:
            return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        os._exit(1)
    return found


def _exit_at_end_of(stream: BinaryIO) -> None:
    stream.read(1)
    os._exit(1)


if __name__ == "__main__":
    main()
