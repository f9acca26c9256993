"""A gateway on a real database, in front of a service that tells what reached it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from uuid_utils.compat import uuid7

from chassis.identity import Identity
from gateway import repository
from gateway.app import Gateway, build
from gateway.credentials import mint
from gateway.repository import NewKey
from gateway.routes import SERVICES
from gateway.settings import GatewaySettings
from gateway.upstreams import AsgiUpstream, Message, Receive, Scope, Send, Upstream


class Mirror:
    """A service that answers with what it was asked; stands for any service behind the door."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.received_bytes = 0
        self.most_bytes_at_once = 0
        self.hold = asyncio.Event()
        self.hold.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body, wait if held, then answer."""
        self.scopes.append(scope)
        more = True
        while more:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.received_bytes += len(message.get("body", b""))
            self.most_bytes_at_once = max(self.most_bytes_at_once, len(message.get("body", b"")))
            more = message.get("more_body", False)
        await self.hold.wait()
        await _answer(send, {"path": scope["path"], "received_bytes": self.received_bytes})

    def headers(self) -> dict[str, str]:
        """The headers of the last request."""
        return {name.decode(): value.decode() for name, value in self.scopes[-1]["headers"]}


async def _answer(send: Send, body: Any) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"keep-alive"), (b"etag", b'"7"')]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode(), "more_body": False})


def mirrored(mirror: Mirror) -> dict[str, Upstream]:
    """The same mirror as every service."""
    return {name: AsgiUpstream(mirror) for name in SERVICES}


@asynccontextmanager
async def open_gateway(settings: GatewaySettings, upstreams: Mapping[str, Upstream]) -> AsyncIterator[Gateway]:
    """A started gateway, stopped after the block."""
    gateway = build(settings, upstreams=upstreams)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def issue(gateway: Gateway, *scopes: str, **changes: Any) -> tuple[NewKey, str]:
    """A key with these scopes, stored; and the key in the clear."""
    credentials = mint()
    values = {
        "id": uuid7(), "name": "a test's", "prefix": credentials.prefix, "secret_hash": credentials.digest,
        "scopes": list(scopes), "created_by": "test", "created_at": gateway.parts.clock.system_now(),
        "expires_at": None,
    }  # fmt: skip
    key = NewKey(**{**values, **changes})
    async with gateway.database.write() as session:
        await repository.add_key(session, key)
    gateway.parts.keys.forget()
    return key, str(credentials)


@asynccontextmanager
async def client_of(gateway: Gateway, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of these scopes; without scopes, one without a key."""
    headers = {"authorization": f"Bearer {(await issue(gateway, *scopes))[1]}"} if scopes else {}
    transport = httpx.ASGITransport(app=gateway.app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        yield client


def caller(*scopes: str, subject: str = "key:test") -> Identity:
    """An identity, where a use case is called directly."""
    return Identity(subject=subject, scopes=frozenset(scopes))


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """An app behind a real socket, as the gateway is served; its URL."""
    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False, http="httptools", ws="none")
    server = uvicorn.Server(config)
    listening = config.bind_socket()
    listening.listen()
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()
