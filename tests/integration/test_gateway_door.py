"""Who gets through the door, with what, and what the service behind it sees."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import jwt
import pytest

from chassis.identity import IdentityVerifier
from gateway.app import Gateway
from gateway.errors import ServiceUnreachable
from gateway.settings import GatewaySettings
from gateway.upstreams import AsgiUpstream, Receive, Scope, Send
from tests.conftest import SettingsFor
from tests.support.eventually import eventually
from tests.support.gateway import Mirror, client_of, issue, mirrored, open_gateway, served


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


@pytest.fixture
async def gateway(settings_for: SettingsFor, mirror: Mirror) -> AsyncIterator[Gateway]:
    async with open_gateway(await settings_for(GatewaySettings), mirrored(mirror)) as opened:
        yield opened


@pytest.mark.parametrize(
    "path",
    [
        "/v1/customers", "/v1/interactions", "/v1/alerts", "/v1/webhooks/endpoints", "/v1/keys", "/v1/jobs",
        "/v1/dead-letters", "/v1/clock", "/metrics",
    ],
)  # fmt: skip
async def test_nothing_answers_without_a_key(gateway: Gateway, mirror: Mirror, path: str) -> None:
    async with client_of(gateway) as client:
        answer = await client.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="stave"'
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "key_required"
    assert not mirror.scopes


@pytest.mark.parametrize("path", ["/", "/nothing", "/v1/nothing", "/internal/clock", "/v1/customers/../internal/clock"])
async def test_an_unknown_path_is_nobodys(gateway: Gateway, mirror: Mirror, path: str) -> None:
    async with client_of(gateway, "admin") as client:
        answer = await client.get(httpx.URL(f"http://gateway{path}"))
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_path")
    assert answer.json()["trace_id"] == answer.headers["stave-trace-id"]
    assert not mirror.scopes


async def test_a_key_that_is_not_ours_is_refused(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        answer = await client.get("/v1/customers", headers={"authorization": f"Bearer stv_{'a' * 12}.{'b' * 43}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "key_refused")


async def test_an_expired_key_is_refused(gateway: Gateway) -> None:
    now = gateway.parts.clock.system_now()
    _, key = await issue(gateway, "admin", expires_at=now)
    async with client_of(gateway) as client:
        answer = await client.get("/v1/customers", headers={"authorization": f"Bearer {key}"})
    assert answer.json()["code"] == "key_refused"


async def test_the_service_is_shown_a_signed_identity_and_never_the_key(gateway: Gateway, mirror: Mirror) -> None:
    async with client_of(gateway, "customers:read", "pii:read") as client:
        assert (await client.get("/v1/customers?limit=2")).status_code == 200
    seen = mirror.headers()
    identity = IdentityVerifier(gateway.parts.settings.key).verify(seen["stave-identity"])
    assert identity.scopes == {"customers:read", "pii:read"}
    assert identity.subject == f"key:{identity.key_id}"
    assert "authorization" not in seen
    assert mirror.scopes[-1]["query_string"] == b"limit=2"


async def test_a_forged_identity_is_replaced(gateway: Gateway, mirror: Mirror) -> None:
    forged = jwt.encode({"sub": "root", "scope": "admin"}, "x" * 32, algorithm="HS256")
    async with client_of(gateway, "customers:read") as client:
        await client.get(
            "/v1/customers",
            headers={"stave-identity": forged, "x-forwarded-for": "10.0.0.1", "connection": "x-inner", "x-inner": "1"},
        )
    names = [name for name, _ in mirror.scopes[-1]["headers"]]
    assert names.count(b"stave-identity") == 1
    assert mirror.headers()["stave-identity"] != forged
    assert not {b"x-forwarded-for", b"x-inner", b"connection"} & set(names)


async def test_the_callers_trace_goes_on_behind_the_door(gateway: Gateway, mirror: Mirror) -> None:
    async with client_of(gateway, "admin") as client:
        await client.get("/v1/customers", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
        assert mirror.headers()["traceparent"].startswith(f"00-{'a' * 32}-")
        await client.get("/v1/customers", headers={"traceparent": "nonsense"})
        assert mirror.headers()["traceparent"].startswith("00-")


async def test_a_key_over_its_rate_is_told_when_to_come_again(settings_for: SettingsFor, mirror: Mirror) -> None:
    settings = await settings_for(GatewaySettings, rate_limit=0.5, rate_burst=2)
    async with open_gateway(settings, mirrored(mirror)) as gateway, client_of(gateway, "admin") as client:
        answers = [await client.get("/v1/customers") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[2].headers["retry-after"] in ("1", "2")
    assert answers[2].json()["code"] == "rate_limited"


async def test_a_slow_service_becomes_a_problem_in_time(settings_for: SettingsFor, mirror: Mirror) -> None:
    mirror.hold.clear()
    settings = await settings_for(GatewaySettings, request_deadline="0.05s")
    async with open_gateway(settings, mirrored(mirror)) as gateway, client_of(gateway, "admin") as client:
        answer = await client.get("/v1/customers")
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")


async def test_more_than_may_be_in_flight_is_shed_but_probes_get_through(
    settings_for: SettingsFor, mirror: Mirror
) -> None:
    mirror.hold.clear()
    settings = await settings_for(GatewaySettings, max_in_flight=2)
    async with open_gateway(settings, mirrored(mirror)) as gateway, client_of(gateway, "admin") as client:
        held = [asyncio.create_task(client.get("/v1/customers")) for _ in range(2)]
        await eventually(lambda: len(mirror.scopes) == 2)
        shed = await client.get("/v1/customers")
        alive = await client.get("/health/live")
        mirror.hold.set()
        assert [(await task).status_code for task in held] == [200, 200]
        assert (await client.get("/v1/customers")).status_code == 200
    assert (shed.status_code, shed.json()["code"], shed.headers["retry-after"]) == (503, "overloaded", "1")
    assert alive.status_code == 200


async def test_a_service_that_breaks_off_is_a_problem_not_a_hang(settings_for: SettingsFor) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("boom: secret details")

    settings, upstreams = await settings_for(GatewaySettings), {"customer": AsgiUpstream(broken)}
    async with open_gateway(settings, upstreams) as gateway, client_of(gateway, "admin") as client:
        answer = await client.get("/v1/customers")
    assert (answer.status_code, answer.json()["code"]) == (502, "service_failed")
    assert "secret" not in answer.text


async def test_half_an_answer_breaks_the_connection_and_is_never_taken_for_a_whole_one(
    settings_for: SettingsFor,
) -> None:
    async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ServiceUnreachable("gone in the middle")

    settings, upstreams = await settings_for(GatewaySettings), {"customer": AsgiUpstream(breaking)}
    async with open_gateway(settings, upstreams) as gateway, served(gateway.app) as url:
        _, key = await issue(gateway, "admin")
        async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get("/v1/customers")


async def test_an_origin_that_is_allowed_may_call_from_a_browser(settings_for: SettingsFor, mirror: Mirror) -> None:
    settings = await settings_for(GatewaySettings, cors_origins=["https://app.example"])
    asks = {"access-control-request-method": "PATCH", "access-control-request-headers": "authorization,if-match"}
    async with open_gateway(settings, mirrored(mirror)) as gateway, client_of(gateway) as client:
        allowed = await client.options("/v1/customers/1", headers={"origin": "https://app.example", **asks})
        other = await client.options("/v1/customers/1", headers={"origin": "https://evil.example", **asks})
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in other.headers


async def test_metrics_need_the_scope_ops_unless_opened(settings_for: SettingsFor, mirror: Mirror) -> None:
    async with open_gateway(await settings_for(GatewaySettings), mirrored(mirror)) as gateway:
        async with client_of(gateway, "customers:read") as client:
            assert (await client.get("/metrics")).json()["code"] == "missing_scope"
        async with client_of(gateway, "ops") as client:
            assert "gateway_refused_total" in (await client.get("/metrics")).text
    opened = await settings_for(GatewaySettings, metrics_open=True)
    async with open_gateway(opened, mirrored(mirror)) as gateway, client_of(gateway) as client:
        assert (await client.get("/metrics")).status_code == 200
