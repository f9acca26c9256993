"""Bodies at the door, over real sockets: the cap, and streaming through to a service behind HTTP."""

import asyncio
import resource
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.app import Gateway
from gateway.settings import GatewaySettings
from gateway.upstreams import HttpUpstream
from tests.conftest import SettingsFor
from tests.support.gateway import Mirror, client_of, issue, mirrored, open_gateway, served

CAP = 1024 * 1024
HUNDRED_MEGABYTES = 100 * 1024 * 1024
CHUNK = b"x" * 65536


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


@pytest.fixture
async def gateway(settings_for: SettingsFor, mirror: Mirror) -> AsyncIterator[Gateway]:
    async with open_gateway(await settings_for(GatewaySettings, max_body=CAP), mirrored(mirror)) as opened:
        yield opened


async def hundred_megabytes() -> AsyncIterator[bytes]:
    for _ in range(HUNDRED_MEGABYTES // len(CHUNK)):
        yield CHUNK


def most_memory_kilobytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def test_a_hundred_megabytes_announced_are_refused_before_they_are_sent(gateway: Gateway, mirror: Mirror) -> None:
    _, key = await issue(gateway, "admin")
    async with served(gateway.app) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        head = f"POST /v1/interactions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        writer.write(f"{head}Content-Length: {HUNDRED_MEGABYTES}\r\n\r\n".encode())
        status = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        await writer.wait_closed()
    assert status.startswith(b"HTTP/1.1 413 ")
    assert not mirror.scopes


@pytest.mark.parametrize("announced", [True, False])
async def test_a_hundred_megabytes_leave_memory_flat_and_the_connection_usable(
    gateway: Gateway, mirror: Mirror, announced: bool
) -> None:
    _, key = await issue(gateway, "admin")
    headers = {"content-length": str(HUNDRED_MEGABYTES)} if announced else {}
    async with (
        served(gateway.app) as url,
        httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}) as client,
    ):
        await client.post("/v1/interactions", content=CHUNK)
        before_kilobytes = most_memory_kilobytes()
        mirror.received_bytes = 0
        answer = await client.post("/v1/interactions", content=hundred_megabytes(), headers=headers)
        grown_kilobytes = most_memory_kilobytes() - before_kilobytes
        after = await client.get("/v1/customers")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert mirror.received_bytes <= CAP
    assert grown_kilobytes < 16 * 1024
    assert after.status_code == 200


async def test_a_body_up_to_the_cap_passes_announced_or_not(gateway: Gateway, mirror: Mirror) -> None:
    async def in_parts() -> AsyncIterator[bytes]:
        for _ in range(CAP // len(CHUNK)):
            yield CHUNK

    async with client_of(gateway, "admin") as client:
        assert (await client.post("/v1/interactions", content=CHUNK * 16)).json()["received_bytes"] == CAP
        mirror.received_bytes = 0
        assert (await client.post("/v1/interactions", content=in_parts())).json()["received_bytes"] == CAP


async def test_a_length_that_is_no_number_is_refused(gateway: Gateway) -> None:
    async with client_of(gateway, "admin") as client:
        answer = await client.post("/v1/interactions", content=b"x", headers={"content-length": "-1"})
    assert answer.status_code == 413


async def test_a_service_behind_http_is_asked_the_same(settings_for: SettingsFor, mirror: Mirror) -> None:
    settings = await settings_for(GatewaySettings)
    async with (
        served(mirror) as inner,
        open_gateway(settings, {"customer": HttpUpstream(inner)}) as gateway,
        client_of(gateway, "admin") as client,
    ):
        path = "/v1/customers/by-external-id/shop/a%2Fb%20c"
        read = await client.get(path, params={"q": "ä b"}, headers={"if-match": '"7"'})
        assert mirror.scopes[-1]["raw_path"] == path.encode()
        assert mirror.scopes[-1]["query_string"] == b"q=%C3%A4+b"
        assert mirror.headers()["if-match"] == '"7"'
        assert mirror.headers()["host"] == urlsplit(inner).netloc
        mirror.received_bytes = 0
        written = await client.post("/v1/customers", content=CHUNK * 20)
    assert (read.status_code, read.headers["etag"]) == (200, '"7"')
    assert "connection" not in read.headers
    assert written.json()["received_bytes"] == 20 * len(CHUNK)


async def test_a_body_over_the_cap_never_becomes_a_whole_request_behind_http(
    settings_for: SettingsFor, mirror: Mirror
) -> None:
    settings = await settings_for(GatewaySettings, max_body=CAP)
    async with (
        served(mirror) as inner,
        open_gateway(settings, {"customer": HttpUpstream(inner)}) as gateway,
        client_of(gateway, "admin") as client,
    ):
        answer = await client.post("/v1/customers", content=hundred_megabytes())
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert mirror.received_bytes <= CAP


async def test_a_service_that_is_not_there_is_a_problem_at_once(settings_for: SettingsFor) -> None:
    settings = await settings_for(GatewaySettings)
    async with (
        open_gateway(settings, {"customer": HttpUpstream("http://127.0.0.1:1")}) as gateway,
        client_of(gateway, "admin") as client,
    ):
        answer = await client.get("/v1/customers")
        ready = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unreachable")
    assert (ready.status_code, ready.json()["checks"]["customer"]) == (503, "unavailable")
