"""Long work on the event loop in short turns, so that other requests get theirs."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")
_TURN = 200


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """The items, with a pause for others after some hundred of them."""
    for place, item in enumerate(items, start=1):
        yield item
        if place % _TURN == 0:
            await asyncio.sleep(0)
