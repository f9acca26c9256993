"""Operations across the services: what several answer, told as one."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.clock import VirtualClock
from chassis.database import Database
from chassis.event_log import EventLog
from chassis.migrations import CHASSIS_TABLES
from chassis.service import Service, assemble
from chassis.settings import Settings
from gateway.app import Gateway
from gateway.settings import GatewaySettings
from gateway.upstreams import AsgiUpstream
from tests.conftest import SettingsFor
from tests.support.databases import create_database
from tests.support.gateway import client_of, open_gateway

Services = dict[str, Service]


@pytest.fixture
async def services(postgres_url: str, settings_for: SettingsFor, event_log: EventLog) -> AsyncIterator[Services]:
    """Two services that have only what every service has."""
    made: Services = {}
    async with AsyncExitStack() as stack:
        for name in ("customer", "scoring"):
            database = Database(await create_database(postgres_url, f"{name}_{uuid4().hex[:8]}"), name=name)
            stack.push_async_callback(database.close)
            async with database.write() as session:
                for statement in CHASSIS_TABLES.strip().split(";\n"):
                    await session.execute(text(statement))
            made[name] = assemble(
                name=name, settings=await settings_for(Settings), parts=None, database=database, event_log=event_log,
                clock=VirtualClock(), routers=[],
            )  # fmt: skip
        yield made


@pytest.fixture
async def gateway(settings_for: SettingsFor, services: Services) -> AsyncIterator[Gateway]:
    upstreams = {name: AsgiUpstream(service.app) for name, service in services.items()}
    async with open_gateway(await settings_for(GatewaySettings), upstreams) as opened:
        yield opened


async def add_job(service: Service, *, age_minutes: int, state: str = "queued") -> str:
    job_id = uuid4()
    at = datetime.now(UTC) - timedelta(minutes=age_minutes)
    async with service.database.write() as session:
        await session.execute(
            text("INSERT INTO jobs (id, kind, state, created_at) VALUES (:id, 'train', :state, :at)"),
            {"id": job_id, "state": state, "at": at},
        )
    return str(job_id)


async def bury(service: Service) -> UUID:
    letter_id = uuid4()
    async with service.database.write() as session:
        await session.execute(
            text(
                'INSERT INTO dead_letters (id, consumer, topic, partition, "offset", key, event_id, error) '
                "VALUES (:id, :consumer, 'customer', 0, 1, 'k', :id, 'ValueError: no')"
            ),
            {"id": letter_id, "consumer": service.name},
        )
    return letter_id


async def test_jobs_of_all_services_come_as_one_list_the_latest_first(gateway: Gateway, services: Services) -> None:
    ages = [("customer", 5), ("scoring", 4), ("customer", 3), ("scoring", 2), ("scoring", 1)]
    ids = [await add_job(services[name], age_minutes=age) for name, age in ages]
    async with client_of(gateway, "ops") as client:
        shown: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/v1/jobs", params=parameters)).json()
            shown += page["items"]
            cursor = page["next_cursor"]
    assert [job["id"] for job in shown] == ids[::-1]
    assert [job["service"] for job in shown] == [name for name, _ in reversed(ages)]


async def test_jobs_can_be_narrowed_to_a_service_and_a_state(gateway: Gateway, services: Services) -> None:
    await add_job(services["customer"], age_minutes=1)
    await add_job(services["scoring"], age_minutes=1)
    failed = await add_job(services["scoring"], age_minutes=1, state="failed")
    async with client_of(gateway, "ops") as client:
        found = await client.get("/v1/jobs", params={"service": "scoring", "state": "failed"})
        unknown = await client.get("/v1/jobs", params={"service": "billing"})
    assert [job["id"] for job in found.json()["items"]] == [failed]
    assert unknown.status_code == 422


async def test_a_job_is_found_wherever_it_is(gateway: Gateway, services: Services) -> None:
    job_id = await add_job(services["scoring"], age_minutes=1)
    async with client_of(gateway, "models:write") as client:
        assert (await client.get(f"/v1/jobs/{job_id}")).json()["service"] == "scoring"
        missing = await client.get(f"/v1/jobs/{uuid4()}")
    assert (missing.status_code, missing.json()["code"]) == (404, "job_does_not_exist")


async def test_a_dead_letter_is_shown_wherever_it_is_and_its_services_word_is_passed_on(
    gateway: Gateway, services: Services
) -> None:
    letters = {str(await bury(service)): name for name, service in services.items()}
    async with client_of(gateway, "ops") as client:
        listed = (await client.get("/v1/dead-letters")).json()["items"]
        assert {letter["id"]: letter["service"] for letter in listed} == letters
        for letter_id in letters:
            assert (await client.get(f"/v1/dead-letters/{letter_id}")).json()["error"] == "ValueError: no"
        # These services consume nothing, so there is nobody to apply it.
        refused = await client.post(f"/v1/dead-letters/{next(iter(letters))}/replay")
        missing = await client.post(f"/v1/dead-letters/{uuid4()}/discard")
    assert (refused.status_code, refused.json()["detail"]) == (404, "This service consumes nothing.")
    assert missing.json()["code"] == "dead_letter_does_not_exist"


async def test_moving_the_clock_moves_it_in_every_service(gateway: Gateway, services: Services) -> None:
    async with client_of(gateway, "admin") as client:
        moved = await client.put("/v1/clock", json={"at": "2017-10-01T00:00:00+02:00"})
        read = await client.get("/v1/clock")
    assert moved.status_code == 200
    assert read.json()["business_now"] == "2017-09-30T22:00:00Z"
    assert {service.clock.business_now() for service in services.values()} == {datetime(2017, 9, 30, 22, tzinfo=UTC)}


async def test_only_an_admin_moves_the_clock(gateway: Gateway) -> None:
    async with client_of(gateway, "ops") as client:
        refused = await client.put("/v1/clock", json={"at": "2017-10-01T00:00:00Z"})
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")


async def test_a_wrong_method_is_told_all_that_the_path_knows(gateway: Gateway) -> None:
    async with client_of(gateway, "admin") as client:
        answer = await client.patch("/v1/keys", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_readiness_tells_which_part_is_not_ready(gateway: Gateway, services: Services) -> None:
    async with client_of(gateway) as client:
        assert (await client.get("/health/ready")).json()["status"] == "ok"
        services["scoring"].draining = True
        answer = await client.get("/health/ready")
        assert (await client.get("/health/live")).status_code == 200
    assert answer.status_code == 503
    assert {name for name, state in answer.json()["checks"].items() if state == "unavailable"} == {"scoring"}


async def test_a_draining_gateway_is_not_ready_but_answers(gateway: Gateway) -> None:
    async with client_of(gateway, "ops") as client:
        gateway.drain()
        assert (await client.get("/health/ready")).status_code == 503
        assert (await client.get("/v1/jobs")).status_code == 200


async def test_the_documentation_needs_nothing_from_another_host(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        page = await client.get("/docs")
        assert "http://" not in page.text
        assert "https://" not in page.text
        for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
            assert f"/docs/assets/{asset}" in page.text
            assert (await client.get(f"/docs/assets/{asset}")).status_code == 200
        assert (await client.get("/docs/assets/..%2fcore.py")).status_code == 404
