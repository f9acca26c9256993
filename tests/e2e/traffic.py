"""Clients that write, and that repeat what was cut off until it is acknowledged, as real ones do."""

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from uuid import UUID

import httpx

from tests.support.eventually import eventually
from tests.support.history import History
from tests.support.platform import PlatformProcess

CUSTOMERS_EACH = 4
# The answers that tell a client to try again.
_PASSING = frozenset({409, 429, 502, 503, 504})
_PATIENCE_SECONDS = 120.0


@dataclass
class Answers:
    """What the clients were told along the way."""

    statuses: Counter[int]
    slowest_seconds: float = 0.0
    slowest_refusal_seconds: float = 0.0


class Traffic:
    """Some clients, each with customers of its own; `bulk` is how many interactions a bulk request holds."""

    def __init__(self, platform: PlatformProcess, history: History, *, client_count: int = 6, bulk: int = 20) -> None:
        self.answers = Answers(Counter())
        self._platform = platform
        self._history = history
        self._bulk = bulk
        self._client_count = client_count
        self._stop = asyncio.Event()
        self._clients: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Traffic":
        """Start writing."""
        self._clients = [asyncio.create_task(self._write(number)) for number in range(self._client_count)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop writing."""
        if error is None:
            await self.finish()
            return
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def finish(self) -> None:
        """Begin no more writes; everything that was begun is acknowledged afterwards."""
        self._stop.set()
        await asyncio.gather(*self._clients)

    async def more(self, count: int, *, within_seconds: float = 90.0) -> None:
        """Until so many more writes are acknowledged."""
        target = self._history.acknowledged_count + count

        def enough() -> bool:
            if failed := next((one for one in self._clients if one.done() and one.exception()), None):
                raise RuntimeError("a client gave up") from failed.exception()
            return self._history.acknowledged_count >= target

        await eventually(enough, within_seconds=within_seconds)

    async def _write(self, number: int) -> None:
        chance = random.Random(f"{self._history.seed}/{self._history.name}/{number}")
        async with self._platform.client() as client:
            written = 0
            while not self._stop.is_set():
                written += 1
                choice = chance.random()
                if choice < 0.2:
                    await self._register(client, f"{self._history.name} {number}-{written}", chance)
                elif choice < 0.4:
                    await self._record_many(client, number, chance)
                else:
                    await self._record(client, number, chance)

    async def _register(self, client: httpx.AsyncClient, name: str, chance: random.Random) -> None:
        """A profile that only its Idempotency-Key keeps from being made twice."""
        key = {"idempotency-key": str(UUID(int=chance.getrandbits(128)))}
        first = await self._until_acknowledged(client, "/v1/customers", {"name": name}, key)
        replayed = "idempotency-replayed" in first.headers
        if chance.random() < 0.3:
            again = await self._until_acknowledged(client, "/v1/customers", {"name": name}, key)
            assert (again.status_code, again.content) == (first.status_code, first.content)
        self._history.register(name, first.json(), replayed=replayed)

    async def _record(self, client: httpx.AsyncClient, number: int, chance: random.Random) -> None:
        body = self._history.interaction(self._customer(number, chance), chance)
        answer = await self._until_acknowledged(client, "/v1/interactions", body)
        self._history.acknowledge(body, answer.json())

    async def _record_many(self, client: httpx.AsyncClient, number: int, chance: random.Random) -> None:
        bodies = [self._history.interaction(self._customer(number, chance), chance) for _ in range(self._bulk)]
        answer = (await self._until_acknowledged(client, "/v1/interactions/bulk", bodies)).json()
        assert answer["rejected"] == 0, answer
        for body, result in zip(bodies, answer["results"], strict=True):
            self._history.acknowledge(body, result)

    def _customer(self, number: int, chance: random.Random) -> int:
        return number * CUSTOMERS_EACH + chance.randrange(CUSTOMERS_EACH)

    async def _until_acknowledged(
        self, client: httpx.AsyncClient, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        content = json.dumps(body)
        sent = {"content-type": "application/json"} | (headers or {})

        async def acknowledged() -> httpx.Response | None:
            began = time.monotonic()
            try:
                answer = await client.post(path, content=content, headers=sent)
            except httpx.TransportError:
                self.answers.statuses[0] += 1
                return None
            self._note(answer, time.monotonic() - began)
            return answer if answer.status_code < 300 else None

        found: httpx.Response = await eventually(acknowledged, within_seconds=_PATIENCE_SECONDS, every_seconds=0.05)
        return found

    def _note(self, answer: httpx.Response, seconds: float) -> None:
        self.answers.statuses[answer.status_code] += 1
        self.answers.slowest_seconds = max(self.answers.slowest_seconds, seconds)
        if answer.status_code < 300:
            return
        self.answers.slowest_refusal_seconds = max(self.answers.slowest_refusal_seconds, seconds)
        if answer.status_code not in _PASSING or answer.headers["content-type"] != "application/problem+json":
            raise UnexpectedAnswer(f"{answer.request.url.path}: {answer.status_code} {answer.text[:500]}")


class UnexpectedAnswer(Exception):
    """An answer that no client should have to expect in an outage."""
