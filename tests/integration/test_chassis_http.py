"""The edge on a real database: commit before the answer, one effect per Idempotency-Key."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import Response
from sqlalchemy import text

from chassis.api import Router, StrictModel
from chassis.clock import VirtualClock
from chassis.database import Database
from chassis.dependencies import WriteSession, requires
from chassis.event_log import open_event_log
from chassis.idempotency import prune_idempotency
from chassis.service import Service, assemble
from chassis.settings import Settings
from tests.conftest import SECRET, ClientFor

router = Router()


class Effect(StrictModel):
    name: str
    amount: int = 0


@router.post("/v1/effects/{group}", status_code=201, dependencies=[requires("effects:write")])
async def have_effect(group: str, body: Effect, session: WriteSession, response: Response) -> Effect:
    """Have an effect."""
    await session.execute(
        text("INSERT INTO effects (name, amount) VALUES (:name, CAST(:amount AS int))"), body.model_dump()
    )
    response.headers["Location"] = f"/v1/effects/{group}/{body.name}"
    return body


@pytest.fixture
async def service(scratch_database: Database) -> AsyncIterator[Service]:
    async with scratch_database.write() as session:
        await session.execute(text("CREATE TABLE effects (name text, amount int)"))
        # Checked at commit only: the endpoint has long returned when it fails.
        await session.execute(
            text("ALTER TABLE effects ADD CONSTRAINT once UNIQUE (name) DEFERRABLE INITIALLY DEFERRED")
        )
    made = assemble(
        name="scratch", settings=Settings(_env_file=None, secret_key=SECRET), parts=None, database=scratch_database,
        event_log=open_event_log(scratch_database.url), clock=VirtualClock(), routers=[router],
    )  # fmt: skip
    yield made
    await made.event_log.close()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as made:
        yield made


async def count(service: Service, table: str = "effects") -> int:
    async with service.database.read() as session:
        return int(await session.scalar(text(f"SELECT count(*) FROM {table}")))


async def post(client: httpx.AsyncClient, key: str | None, path: str = "/v1/effects/a", **body: Any) -> httpx.Response:
    return await client.post(path, json=body, headers={} if key is None else {"Idempotency-Key": key})


async def test_a_commit_that_fails_is_never_answered_with_success(client: httpx.AsyncClient, service: Service) -> None:
    assert (await post(client, None, name="x")).status_code == 201
    response = await post(client, "k", name="x")
    assert response.status_code == 500
    assert await count(service) == 1
    assert await count(service, "idempotency") == 0


async def test_the_same_request_again_is_answered_alike_and_has_no_second_effect(
    client: httpx.AsyncClient, service: Service
) -> None:
    first = await post(client, "k", name="x")
    again = await post(client, "k", name="x")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert await count(service) == 1


async def test_fifty_parallel_requests_with_one_key_have_one_effect(
    client: httpx.AsyncClient, service: Service
) -> None:
    responses = await asyncio.gather(*(post(client, "k", name="x") for _ in range(50)))
    assert {response.status_code for response in responses} <= {201, 409}
    assert sum("idempotency-replayed" not in one.headers for one in responses if one.status_code == 201) == 1
    assert {one.json()["code"] for one in responses if one.status_code == 409} <= {"idempotency_key_in_use"}
    assert await count(service) == 1


async def test_the_same_key_for_another_request_is_refused(client: httpx.AsyncClient, service: Service) -> None:
    await post(client, "k", name="x")
    other = await post(client, "k", name="y")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await count(service) == 1


async def test_a_key_counts_for_one_caller_and_one_path_only(
    client: httpx.AsyncClient, service: Service, service_client: ClientFor
) -> None:
    await post(client, "k", name="x")
    assert (await post(client, "k", "/v1/effects/b", name="y")).status_code == 201
    async with service_client(service, subject="somebody else") as other:
        assert (await post(other, "k", name="z")).status_code == 201
    assert await count(service) == 3


async def test_a_request_that_failed_may_be_tried_again_with_its_key(
    client: httpx.AsyncClient, service: Service
) -> None:
    assert (await post(client, "k", name="x", colour="red")).status_code == 422
    assert (await post(client, "k", name="x")).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
async def test_a_key_that_cannot_be_used_is_refused(client: httpx.AsyncClient, key: str) -> None:
    response = await post(client, key, name="x")
    assert (response.status_code, response.json()["code"]) == (400, "bad_idempotency_key")


async def test_answers_are_kept_for_a_day(client: httpx.AsyncClient, service: Service) -> None:
    await post(client, "k", name="x")
    async with service.database.write() as session:
        await prune_idempotency(session)
        assert await session.scalar(text("SELECT count(*) FROM idempotency")) == 1
        await session.execute(text("UPDATE idempotency SET created_at = created_at - interval '25 hours'"))
        await session.execute(text("DELETE FROM effects"))
    assert "idempotency-replayed" not in (await post(client, "k", name="x")).headers
    async with service.database.write() as session:
        await session.execute(text("UPDATE idempotency SET created_at = created_at - interval '25 hours'"))
        await prune_idempotency(session)
    assert await count(service, "idempotency") == 0


async def test_a_value_beyond_its_column_is_the_callers_problem(client: httpx.AsyncClient) -> None:
    response = await post(client, None, name="x", amount=2**40)
    assert (response.status_code, response.json()["code"]) == (422, "unstorable_value")


async def test_a_null_character_in_a_path_is_the_callers_problem(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/jobs?cursor=%00")
    assert (response.status_code, response.json()["code"]) == (400, "bad_cursor")


async def test_readiness_turns_false_while_draining(client: httpx.AsyncClient, service: Service) -> None:
    assert (await client.get("/health/ready")).status_code == 200
    service.draining = True
    response = await client.get("/health/ready")
    assert (response.status_code, response.json()["checks"]["draining"]) == (503, "yes")


async def test_business_time_is_set_over_http(client: httpx.AsyncClient, service: Service) -> None:
    response = await client.put("/internal/clock", json={"at": "2020-01-01T00:00:00+01:00"})
    assert response.json()["business_now"] == "2019-12-31T23:00:00Z"
    assert service.clock.business_now().isoformat() == "2019-12-31T23:00:00+00:00"
    assert (await client.put("/internal/clock", json={"at": "2020-01-01T00:00:00"})).status_code == 422
