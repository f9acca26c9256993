"""Wait for something to become true, by asking, not by guessing how long it takes."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any


async def eventually(
    probe: Callable[[], Any | Awaitable[Any]], *, within_seconds: float = 10.0, every_seconds: float = 0.02
) -> Any:
    """Return the probe's first truthy answer; fail with its last answer or error when time is over."""
    deadline = time.monotonic() + within_seconds
    while True:
        last: Any
        try:
            last = probe()
            if inspect.isawaitable(last):
                last = await last
            if last:
                return last
        except AssertionError as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not true within {within_seconds} s; last answer: {last!r}")
        await asyncio.sleep(every_seconds)
