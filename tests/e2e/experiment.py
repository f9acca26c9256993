"""One fault experiment: traffic, faults, then the invariant checked on the platform at rest."""

import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar

from tests.e2e.receiver import Receiver
from tests.e2e.traffic import Traffic
from tests.support.eventually import eventually
from tests.support.history import History, Verdict
from tests.support.platform import PlatformProcess


class Experiment:
    """Faults are the test's; the traffic, the partner's receiver and the verdict are here."""

    HEADINGS: ClassVar[str] = (
        f"{'experiment':<48}{'faults':>7}{'acknowledged':>13}{'repeated':>9}{'lost':>6}{'twice':>6}"
        f"{'resent':>7}{'seconds':>8}"
    )

    def __init__(self, platform: PlatformProcess, title: str, *, seed: int) -> None:
        self.platform = platform
        self.title = title
        self.chance = random.Random(seed)
        self.history = History(f"crash{seed}", seed=seed)
        self.receiver = Receiver()
        self.fault_count = 0
        self.remark = ""
        self.traffic: Traffic
        self._verdict = Verdict()
        self._began = time.monotonic()

    @asynccontextmanager
    async def under_way(self, **traffic: Any) -> AsyncIterator[None]:
        """Clients write inside the block; at its end the platform comes to rest and must have kept every promise."""
        with self.receiver:
            endpoint_id = await self._subscribe()
            async with Traffic(self.platform, self.history, **traffic) as self.traffic:
                yield
            await self.verify()
            async with self.platform.client() as client:
                (await client.post(f"/v1/webhooks/endpoints/{endpoint_id}/disable")).raise_for_status()

    async def crash_at(self, seam: str, times: int, *, most_passes: int = 6) -> None:
        """Have the platform kill itself at a seam again and again, each time after a random number of passes."""
        self.platform.kill()
        for _ in range(times):
            self.platform.start(crash_at=f"{seam}:{self.chance.randint(1, most_passes)}")
            await self.platform.wait_until_dead()
            self.fault_count += 1
        self.platform.start()
        await self.platform.wait_until_ready()

    async def verify(self) -> None:
        """Wait until nothing waits any more, then compare everything with what was acknowledged."""
        await self.platform.settle()
        self._verdict = await self.history.verdict(self.platform)
        assert not self._verdict, str(self._verdict)
        news = Counter(str(kept.id) for kept in self.history.kept.values() if kept.is_news)
        # A killed dispatcher's leases have to run out first. What is still missing then, the comparison names.
        with suppress(AssertionError):
            await eventually(lambda: not news - self._told(), within_seconds=60)
        self._verdict.compare("webhook", news, self._told())
        assert not self._verdict, f"{self._verdict}; deliveries not made: {await self._undelivered()}"
        assert self.receiver.refused == []
        assert await self._buried() == []

    async def _undelivered(self) -> list[Any]:
        async with self.platform.client() as client:
            answer = await client.get("/v1/webhooks/deliveries", params={"state": "pending", "limit": 200})
        return [(one["event_id"], one["next_attempt_at"], one["attempts"]) for one in answer.json()["items"]]

    async def _buried(self) -> list[Any]:
        async with self.platform.client() as client:
            answer = await client.get("/v1/dead-letters")
        answer.raise_for_status()
        buried: list[Any] = answer.json()["items"]
        return buried

    def _told(self) -> Counter[str]:
        """Under how many webhook-ids the partner was told of each interaction; one is right, however often it came."""
        events = self.receiver.received("interaction.recorded.v1")
        return Counter(event["id"] for event in events if event["source"] == self.history.name)

    async def _subscribe(self) -> str:
        async with self.platform.client() as client:
            terms = {"url": self.receiver.url, "event_types": ["interaction.recorded.*"]}
            answer = await client.post("/v1/webhooks/endpoints", json=terms)
        answer.raise_for_status()
        self.receiver.secret = answer.json()["secret"]
        return str(answer.json()["id"])

    def row(self) -> str:
        """The line of this experiment in the summary."""
        resent = sum(self.receiver.copies.values()) - len(self.receiver.copies)
        return (
            f"{self.title:<48}{self.fault_count:>7}{self.history.acknowledged_count:>13}"
            f"{self.history.repeated_count:>9}{len(self._verdict.lost):>6}{len(self._verdict.twice):>6}"
            f"{resent:>7}{time.monotonic() - self._began:>8.0f}  {self.remark}"
        )
