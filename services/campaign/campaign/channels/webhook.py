"""Sending one signed message to a partner's endpoint: bounded in time and size, never redirected, never inside."""

import asyncio
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import aiohttp

from campaign.channels.guard import AddressGuard
from campaign.domain.retries import Attempt
from campaign.domain.signing import headers_for
from chassis.clock import Clock

_MOST_READ_BYTES = 64 * 1024
_MOST_STORED_BYTES = 4000
_DNS_SECONDS = 10
# What a receiver may echo back: secrets, credentials, addresses of people, long numbers.
_SENSITIVE = re.compile(
    r"whsec_[\w+/=]+|(?i:bearer|basic)\s+[^\s,;\"']+"
    r"|[^\s@,;:\"'<>]{1,64}@[^\s@,;:\"'<>]{1,255}|\+?\d(?:[\s().-]?\d){6,}"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to and how to sign; while secrets rotate there are two keys."""

    id: UUID
    url: str
    payload: str
    keys: Sequence[str]


class WebhookSender:
    """Sends over kept connections; one for all endpoints."""

    def __init__(self, guard: AddressGuard, clock: Clock, *, timeout: timedelta) -> None:
        self._guard = guard
        self._clock = clock
        self._timeout_seconds = timeout.total_seconds()
        self._session: aiohttp.ClientSession | None = None

    async def send(self, endpoint: Endpoint, *, message_id: UUID, body: bytes) -> Attempt:
        """Try once; whatever goes wrong becomes part of the attempt."""
        at = self._clock.system_now()
        began = time.perf_counter()
        sent = thin(body) if endpoint.payload == "thin" else body
        headers = headers_for(str(message_id), at, sent, keys=endpoint.keys)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status, answer, retry_after = await self._post(endpoint.url, sent, headers)
            error = None if 200 <= status < 300 else f"HTTP {status}"
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as failure:
            status, answer, retry_after, error = None, None, None, self._describe(failure)
        duration_ms = round((time.perf_counter() - began) * 1000)
        return Attempt(at, duration_ms, status=status, error=error, response=answer, retry_after=retry_after)

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, str | None]:
        fixed = {"Content-Type": "application/json", "User-Agent": "Stave-Webhooks/1", "Accept-Encoding": "identity"}
        session = self._opened()
        async with session.post(url, data=body, headers=headers | fixed, allow_redirects=False) as response:
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) >= _MOST_READ_BYTES:
                    # Not worth waiting for the rest: the connection is given up.
                    response.close()
                    break
            return response.status, redacted(bytes(answer[:_MOST_READ_BYTES])), response.headers.get("Retry-After")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                # Lanes limit how much goes to one endpoint; a limit here would let one starve the others.
                limit=0,
                resolver=self._guard.resolver(),
                ttl_dns_cache=_DNS_SECONDS,
                socket_factory=self._guard.socket_for,
            )
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False,
                timeout=aiohttp.ClientTimeout(total=self._timeout_seconds), read_bufsize=_MOST_READ_BYTES,
            )  # fmt: skip
        return self._session

    def _describe(self, failure: BaseException) -> str:
        if isinstance(failure, TimeoutError):
            return f"no complete answer within {self._timeout_seconds:g} s"
        return redacted(f"{type(failure).__name__}: {failure}".encode())[:500]

    async def close(self) -> None:
        """Give all connections up."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def thin(body: bytes) -> bytes:
    """An envelope without its data; the same bytes each time."""
    envelope = json.loads(body)
    envelope.pop("data", None)
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode()


def redacted(answer: bytes) -> str:
    """What is kept of an answer: text, at most 4 kB, without what looks like a secret or a person's."""
    text = answer[:_MOST_STORED_BYTES].decode("utf-8", "replace").replace("\0", "")
    return _SENSITIVE.sub("[redacted]", text).encode()[:_MOST_STORED_BYTES].decode("utf-8", "ignore")
