"""The HTTP edge of every service, without a database behind it: whatever comes in, a problem comes out."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from chassis.api import Router, StrictModel
from chassis.clock import SystemClock
from chassis.database import Database
from chassis.dependencies import ReadSession, WriteSession, requires
from chassis.event_log import open_event_log
from chassis.identity import Identity, sign_identity
from chassis.service import Service, assemble
from chassis.settings import Settings
from chassis.telemetry import JsonFormatter
from chassis.trace import continue_trace

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
JSON = {"content-type": "application/json"}

router = Router()


class Thing(StrictModel):
    size: float
    notes: dict[str, Any] = {}


@router.post("/v1/things/{id}", status_code=201, dependencies=[requires("things:write")])
async def make_thing(id: int, body: Thing) -> Thing:  # noqa: A002
    """Make a thing."""
    return body


@router.get("/v1/things", dependencies=[requires("things:read")])
async def list_things(session: ReadSession, limit: int = 5) -> list[int]:
    """List things."""
    return [await session.scalar(text("SELECT :limit"), {"limit": limit})]


@router.post("/v1/stored", status_code=201, dependencies=[requires("things:write")])
async def store_thing(body: Thing, session: WriteSession) -> Thing:
    """Store a thing."""
    return body


@router.get("/v1/broken", dependencies=[requires()])
async def break_down() -> None:
    """Fail."""
    raise RuntimeError("the secret is 42")


def service_of(*routers: Router) -> Service:
    return assemble(
        name="things", settings=Settings(_env_file=None), parts=None, database=Database(NOWHERE, name="things"),
        event_log=open_event_log(NOWHERE), clock=SystemClock(), routers=routers,
    )  # fmt: skip


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    service = service_of(router)
    token = sign_identity(service.settings.key, Identity("anna", frozenset({"things:read", "things:write"})))
    transport = httpx.ASGITransport(app=service.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers={"stave-identity": token}) as made:
        yield made


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert set(told) == {"type", "title", "status", "detail", "code", "trace_id", "errors"}
    assert told["status"] == response.status_code
    assert told["trace_id"] == response.headers["stave-trace-id"]
    return response.status_code, told["code"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"size": 1,', (400, "malformed_json")),
        (b'{"size": NaN}', (400, "malformed_json")),
        (b'{"size": 1, "notes": {"a": -Infinity}}', (400, "malformed_json")),
        (b'{"size": 1' + b"0" * 5000 + b"}", (400, "malformed_json")),
        (b"[" * 100_000, (400, "malformed_json")),
        (b"\xff", (400, "malformed_json")),
        (b"", (422, "invalid")),
        (b'{"size": 1e999}', (422, "invalid")),
        (b'{"size": 1, "colour": "red"}', (422, "invalid")),
        (rb'{"size": 1, "notes": {"a": "\u0000"}}', (422, "unstorable_value")),
        (rb'{"size": 1, "notes": {"a": "\ud800"}}', (422, "unstorable_value")),
        (b" " * 1_000_001, (413, "too_large")),
    ],
)
async def test_a_body_that_cannot_be_taken_is_a_problem_of_the_caller(
    client: httpx.AsyncClient, body: bytes, expected: tuple[int, str]
) -> None:
    assert problem(await client.post("/v1/things/1", content=body, headers=JSON)) == expected


async def test_a_body_is_capped_while_it_streams(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 100_000
            yield b" " * 100_000

    assert problem(await client.post("/v1/things/1", content=endless(), headers=JSON)) == (413, "too_large")
    assert sent <= 1_200_000


async def test_wrong_fields_are_named_by_json_pointers_and_parameters_by_name(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/things/x", json={"size": "big", "a/b~c": 1})
    assert problem(response) == (422, "invalid")
    assert {error["pointer"] for error in response.json()["errors"]} == {"id", "/size", "/a~1b~0c"}
    assert "big" not in response.text


async def test_unknown_query_parameters_are_refused(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/things?limit=1&sort=x")
    assert problem(response) == (400, "unknown_parameter")
    assert [error["pointer"] for error in response.json()["errors"]] == ["sort"]


async def test_unknown_paths_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/v1/nothing")) == (404, "not_found")
    response = await client.delete("/v1/things/1")
    assert problem(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


async def test_nobody_passes_without_an_identity_or_its_scope(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/v1/jobs")) == (403, "missing_scope")
    client.headers.pop("stave-identity")
    assert problem(await client.get("/v1/things")) == (401, "unauthenticated")
    client.headers["stave-identity"] = "forged"
    assert problem(await client.get("/v1/things")) == (401, "unauthenticated")


async def test_an_unreachable_database_is_a_503_with_a_hint(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/things")
    assert problem(response) == (503, "database_unavailable")
    assert response.headers["retry-after"] == "1"


async def test_an_error_of_ours_is_told_without_its_details(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    response = await client.get("/v1/broken")
    assert problem(response) == (500, "internal_error")
    assert "42" not in response.text
    assert "the secret is 42" in caplog.text


async def test_the_callers_trace_goes_on(client: httpx.AsyncClient) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    response = await client.get("/v1/nothing", headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"})
    assert response.json()["trace_id"] == trace_id


async def test_liveness_asks_nobody_and_readiness_asks_the_database(client: httpx.AsyncClient) -> None:
    client.headers.clear()
    assert (await client.get("/health/live")).status_code == 200
    response = await client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["checks"] == {"database": "unreachable", "event_log": "unreachable", "draining": "no"}


async def test_metrics_count_requests_by_route_template(client: httpx.AsyncClient) -> None:
    await client.post("/v1/things/12345", json={"size": 1})
    exposed = (await client.get("/metrics")).text
    assert 'http_request_seconds_count{method="POST",route="/v1/things/{id}",service="things",status="201"}' in exposed
    assert "12345" not in exposed


async def test_every_route_documents_its_problems_scopes_and_id(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    operation = document["paths"]["/v1/things/{id}"]["post"]
    assert operation["operationId"] == "things_make_thing"
    assert operation["tags"] == ["things"]
    assert operation["x-required-scopes"] == ["things:write"]
    assert set(operation["responses"]) == {"201", "400", "401", "403", "404", "409", "413", "422", "429", "503"}
    assert list(operation["responses"]["404"]["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in json.dumps(document)
    parameters = document["paths"]["/v1/stored"]["post"]["parameters"]
    assert [parameter["name"] for parameter in parameters] == ["Idempotency-Key"]
    assert "/v1/dead-letters/{id}/replay" in document["paths"]
    assert "/internal/clock" not in document["paths"]


async def test_a_change_leaves_a_log_line_and_a_read_does_not(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="chassis.access"):
        await client.post("/v1/things/1", json={"size": 1})
        await client.get("/openapi.json")
    assert [one.getMessage() for one in caplog.records if one.name == "chassis.access"] == ["POST /v1/things/{id} 201"]


def test_a_route_without_a_scope_cannot_be_served() -> None:
    careless = Router()
    careless.add_api_route("/v1/open", break_down)
    with pytest.raises(ValueError, match="/v1/open names no scope"):
        service_of(careless)


def test_a_log_line_is_json_with_its_extra_fields() -> None:
    record = logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": "%s came", "args": ("he",), "count": 3})
    line = json.loads(JsonFormatter("things").format(record))
    assert (line["message"], line["service"], line["count"]) == ("he came", "things", 3)
    assert line["trace_id"] is None
    with continue_trace(None) as trace:
        assert json.loads(JsonFormatter("things").format(record))["trace_id"] == trace.trace_id


def test_a_logged_error_quotes_no_value_a_database_was_given() -> None:
    value = "anna@" + "example.com"

    def fail() -> None:
        try:
            raise asyncpg.UniqueViolationError(f"duplicate key: Key (email)=({value}) already exists.")
        except asyncpg.UniqueViolationError as error:
            raise RuntimeError("could not store") from error

    with pytest.raises(RuntimeError) as caught:
        fail()
    shown = JsonFormatter("things").formatException((caught.type, caught.value, caught.tb))
    assert value not in shown
    assert "UniqueViolationError 23505" in shown
    assert "RuntimeError: could not store" in shown
