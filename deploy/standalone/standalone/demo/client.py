"""The platform as the demonstration sees it: its HTTP API and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any, Self

import httpx

Body = dict[str, Any]
_POLL_SECONDS = 0.1


class PlatformRefused(Exception):
    """The platform answered with a problem where the demonstration needs an effect."""


class Platform:
    """A client of one platform."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        self.http = httpx.AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=120, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Call the API; raises PlatformRefused with the problem's own words."""
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers.setdefault("content-type", "application/json")
        try:
            answer = await self.http.request(method, path, content=content, headers=headers)
        except httpx.TransportError as error:
            raise PlatformRefused(f"{self.url} does not answer ({type(error).__name__}): is it running?") from error
        if answer.status_code >= 400:
            problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
            raise PlatformRefused(f"{method} {path}: {problem.get('detail') or problem.get('title') or answer.text}")
        return answer.json() if answer.content else None

    async def post_all(
        self, path: str, items: Sequence[Body], *, size: int = 2000, headers: dict[str, str] | None = None
    ) -> Body:
        """Send many in bulk; returns how many were accepted, already there, and refused, with the first refusals."""
        counts: Body = {"accepted": 0, "duplicates": 0, "refused": 0, "faults": []}
        for start in range(0, len(items), size):
            lines = b"\n".join(json.dumps(item).encode() for item in items[start : start + size])
            answer = await self.http.post(
                path, content=lines, headers={**(headers or {}), "content-type": "application/x-ndjson"}
            )
            if answer.status_code != 200:
                raise PlatformRefused(f"POST {path}: {answer.text[:300]}")
            for result in answer.json()["results"]:
                if result.get("error"):
                    counts["refused"] += 1
                    counts["faults"] = [*counts["faults"], result["error"]][:3]
                else:
                    counts["duplicates" if result.get("duplicate") else "accepted"] += 1
        return counts

    async def all_of(self, path: str, **parameters: str) -> AsyncIterator[Body]:
        """Every item of a list, page by page."""
        cursor: str | None = None
        while True:
            query = httpx.QueryParams({**parameters, "limit": "200", **({"cursor": cursor} if cursor else {})})
            page = await self.ask("GET", f"{path}?{query}")
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def finish(self, job: Body, on_progress: Callable[[int, int | None], None]) -> Body:
        """Wait for a job; raises PlatformRefused with its error."""
        while True:
            state = await self.ask("GET", f"/v1/jobs/{job['id']}")
            on_progress(state["done"] or 0, state["total"])
            if state["state"] == "succeeded":
                return dict(state["result"] or {})
            if state["state"] == "failed":
                raise PlatformRefused(f"{state['kind']}: {state['error']}")
            await asyncio.sleep(_POLL_SECONDS)

    async def set_clock(self, at: datetime) -> None:
        """Move business time."""
        await self.ask("PUT", "/v1/clock", {"at": at.isoformat()})

    async def settle(self, *, ignore: Sequence[str] = (), patience_seconds: float = 300) -> None:
        """Wait until nothing waits anywhere: each event read, each due score computed, each job done."""
        quiet = 0
        deadline = asyncio.get_running_loop().time() + patience_seconds
        # Work moves from one service to the next: only two quiet looks in a row mean that all is done.
        while quiet < 2:
            waiting = await self.ask("GET", "/v1/backlog")
            busy = {
                f"{service}.{what}": count
                for service, counts in waiting.items()
                for what, count in counts.items()
                if count and what not in {"buried_events", *ignore}
            }
            quiet = 0 if busy else quiet + 1
            if asyncio.get_running_loop().time() > deadline:
                raise PlatformRefused(
                    f"The platform did not come to rest in {patience_seconds:.0f} s; it waits on {busy}"
                )
            if busy:
                await asyncio.sleep(_POLL_SECONDS)
