"""How the gateway reaches a service: its ASGI app in this process, or HTTP elsewhere; nobody else can tell."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import msgspec
from yarl import URL

from gateway.errors import ServiceUnreachable
from gateway.headers import Headers, header

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class CallerGone(Exception):
    """The caller went away, or was stopped, in the middle of its body."""


class Upstream(Protocol):
    """A service, spoken to in ASGI whatever lies between; both bodies stream."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises ServiceUnreachable when nobody is there."""

    async def close(self) -> None:
        """Let go of connections."""


class AsgiUpstream:
    """A service in this process: its app is called, and nothing is copied."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request to the app."""
        await self._app(scope, receive, send)

    async def close(self) -> None:
        """Nothing is held."""


class HttpUpstream:
    """A service behind HTTP, over a pool of connections."""

    def __init__(self, base_url: str, *, connections: int = 256, connect_seconds: float = 2.0) -> None:
        self._base_url = base_url.rstrip("/")
        self._connections = connections
        self._connect_seconds = connect_seconds
        self._client: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back as it comes."""
        try:
            async with self._session().request(
                scope["method"], self._url(scope), headers=_text_headers(scope["headers"]),
                data=_body_of(scope, receive), allow_redirects=False,
            ) as answer:  # fmt: skip
                await _pass_back(answer, send)
        except aiohttp.ClientConnectionError as error:
            raise ServiceUnreachable(f"{self._base_url} does not answer.") from error

    async def close(self) -> None:
        """Close the pool."""
        if self._client is not None:
            await self._client.close()

    def _url(self, scope: Scope) -> URL:
        path = scope.get("raw_path") or scope["path"].encode()
        query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
        return URL(f"{self._base_url}{path.decode('latin-1')}{query}", encoded=True)

    def _session(self) -> aiohttp.ClientSession:
        # Made at the first request: a client belongs to the running event loop. No cookie jar (it would carry one
        # caller's cookies to another), no proxy from the environment, no decoding on the way, no limit on the whole
        # answer (the gateway has its own deadline).
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )  # fmt: skip
        return self._client


def _text_headers(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    # The host is the service's own; the caller's could name another one.
    return [(key.decode("latin-1"), value.decode("latin-1")) for key, value in headers if key != b"host"]


def _body_of(scope: Scope, receive: Receive) -> AsyncIterator[bytes] | None:
    length = header(scope["headers"], b"content-length")
    if length == b"0" or (length is None and scope["method"] in ("GET", "HEAD", "OPTIONS", "DELETE")):
        return None
    return _chunks(receive)


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            # Breaks the request to the service off, so that it cannot take half a body for a whole one.
            raise CallerGone
        if chunk := message.get("body", b""):
            yield chunk
        more = message.get("more_body", False)


async def _pass_back(answer: aiohttp.ClientResponse, send: Send) -> None:
    headers = [(key.lower(), value) for key, value in answer.raw_headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    async for chunk in answer.content.iter_any():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@dataclass(frozen=True, slots=True)
class Answer:
    """A service's whole answer to a question the gateway asked by itself."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return msgspec.json.decode(self.body)


async def ask(
    upstream: Upstream, method: str, path: str, *, query: str = "", headers: Headers | None = None, body: bytes = b""
) -> Answer:
    """Ask a service something and read the whole answer; for small answers only."""
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "", "query_string": query.encode(),
        "headers": [(b"host", b"gateway"), (b"content-length", b"%d" % len(body)), *(headers or [])],
        "client": None, "server": ("gateway", 80), "state": {},
    }  # fmt: skip
    status, answered, chunks = 0, list[tuple[bytes, bytes]](), list[bytes]()
    unread = True

    async def receive() -> Message:
        nonlocal unread
        if not unread:
            # The next thing to hear would be that the caller left, and this caller does not leave.
            await asyncio.Future()
        unread = False
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, answered
        if message["type"] == "http.response.start":
            status, answered = message["status"], list(message.get("headers", []))
        else:
            chunks.append(message.get("body", b""))

    await upstream(scope, receive, send)
    return Answer(status, answered, b"".join(chunks))
