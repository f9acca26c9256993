"""Sending items in bulk: a few requests in flight, answers taken in order, tried again while the platform is busy."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from standalone.errors import Refusal
from standalone.importing.items import STRAY, Item

MAX_ITEMS = 1_000
MAX_BYTES = 1_500_000
MAX_ITEM_BYTES = 60_000
IN_FLIGHT = 3
_ATTEMPTS = 8
_LONGEST_WAIT_SECONDS = 10.0
_TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Batch:
    """Consecutive items; those with a fault are not in the body."""

    items: Sequence[Item]
    sent: Sequence[Item]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What became of a batch: how many were new or already there, and why the others were refused."""

    batch: Batch
    accepted: int
    duplicates: int
    refused: Sequence[tuple[Item, str]]


def batches(items: Iterator[tuple[Item, str]]) -> Iterator[Batch]:
    """Items and their bodies, cut into requests."""
    taken: list[Item] = []
    sent: list[Item] = []
    bodies: list[bytes] = []
    size = 0
    for item, text in items:
        taken.append(item)
        if item.fault is None:
            body = text.encode()
            sent.append(item)
            bodies.append(body)
            size += len(body)
        if len(taken) >= MAX_ITEMS or size >= MAX_BYTES:
            yield Batch(taken, sent, b"\n".join(bodies))
            taken, sent, bodies, size = [], [], [], 0
    if taken:
        yield Batch(taken, sent, b"\n".join(bodies))


async def send_all(client: httpx.AsyncClient, route: str, found: Iterator[Batch]) -> AsyncIterator[Answer]:
    """Send batches; yields their answers in the order of the batches. Raises Refusal when the platform takes none."""
    waiting: deque[asyncio.Task[Answer]] = deque()
    try:
        # The next batch is made in a thread, while others are on their way.
        while (batch := await asyncio.to_thread(next, found, None)) is not None:
            waiting.append(asyncio.create_task(_send(client, route, batch)))
            if len(waiting) >= IN_FLIGHT:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()


async def _send(client: httpx.AsyncClient, route: str, batch: Batch) -> Answer:
    faults = [(item, item.fault) for item in batch.items if item.fault is not None]
    if not batch.sent:
        return Answer(batch, 0, 0, faults)
    results = await _post(client, route, batch.body)
    if len(results) != len(batch.sent):
        raise Refusal(
            f"{client.base_url} answered for {len(results)} of {len(batch.sent)} items: is it a Stave platform?"
        )
    accepted = duplicates = 0
    for item, result in zip(batch.sent, results, strict=True):
        if result.get("error") is not None:
            faults.append((item, summary_of(result["error"])))
        elif result.get("differs"):
            faults.append((item, STRAY))
        elif result.get("duplicate"):
            duplicates += 1
        else:
            accepted += 1
    return Answer(batch, accepted, duplicates, faults)


async def _post(client: httpx.AsyncClient, route: str, body: bytes) -> list[dict[str, Any]]:
    wait_seconds = 0.5
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            answer = await client.post(route, content=body, headers={"content-type": "application/x-ndjson"})
        except httpx.TransportError as error:
            trouble = f"it does not answer ({type(error).__name__}): is it running?"
        else:
            if answer.status_code == 200:
                results: list[dict[str, Any]] = msgspec.json.decode(answer.content)["results"]
                return results
            trouble = f"it answered {answer.status_code}: {_detail(answer)}"
            if answer.status_code not in _TRY_AGAIN:
                raise Refusal(f"{client.base_url}: {trouble}")
            wait_seconds = max(wait_seconds, _asked_to_wait(answer))
        if attempt < _ATTEMPTS:
            await asyncio.sleep(min(wait_seconds, _LONGEST_WAIT_SECONDS))
            wait_seconds *= 2
    raise Refusal(f"{client.base_url}: {trouble} What was sent so far is kept; the same command goes on from there.")


async def ask(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """Read something small from the platform. Raises Refusal when it cannot be had."""
    try:
        answer = await client.get(path)
    except httpx.TransportError as error:
        raise Refusal(f"{client.base_url} does not answer ({type(error).__name__}): is it running?") from error
    if answer.status_code != 200:
        raise Refusal(f"{client.base_url} answered {answer.status_code}: {_detail(answer)}")
    found: dict[str, Any] = msgspec.json.decode(answer.content)
    return found


def _asked_to_wait(answer: httpx.Response) -> float:
    asked = answer.headers.get("retry-after", "")
    return float(asked) if asked.isdigit() else 0.0


def _detail(answer: httpx.Response) -> str:
    try:
        return summary_of(msgspec.json.decode(answer.content))
    except msgspec.DecodeError:
        return answer.text[:200]


def summary_of(problem: Any) -> str:
    """What a problem says, in one sentence."""
    if not isinstance(problem, dict):
        return str(problem)
    told = [f"{one['pointer'] or 'body'}: {one['detail']}" for one in problem.get("errors") or []]
    return " ".join(told) or str(problem.get("detail") or problem.get("title"))
