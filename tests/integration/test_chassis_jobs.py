"""Jobs are durable, run once at a time, and tell how they end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from chassis.clock import SystemClock
from chassis.database import Database
from chassis.event_log import open_event_log
from chassis.jobs import JobFailed, JobHandle, JobRunner, enqueue_job
from chassis.service import Service, assemble
from chassis.settings import Settings
from chassis.worker import Wake, WorkerGroup
from tests.conftest import SECRET, ClientFor
from tests.support.eventually import eventually


class Parts:
    """What the jobs of this test touch."""

    def __init__(self) -> None:
        self.started = 0
        self.gate = asyncio.Event()


async def count_up(job: JobHandle, parts: Parts) -> dict[str, Any]:
    parts.started += 1
    for done in range(3):
        await job.progress(done, 3)
    await job.progress(3, 3)
    return {"sum": job.parameters["a"] + 1}


async def wait_at_gate(job: JobHandle, parts: Parts) -> dict[str, Any]:
    parts.started += 1
    await parts.gate.wait()
    return {"attempt": job.attempt}


async def refuse(_job: JobHandle, parts: Parts) -> dict[str, Any]:
    parts.started += 1
    raise JobFailed("The table has no column named target.")


async def break_down(_job: JobHandle, parts: Parts) -> dict[str, Any]:
    parts.started += 1
    raise RuntimeError("a secret detail")


JOBS = {"count_up": count_up, "wait_at_gate": wait_at_gate, "refuse": refuse, "break_down": break_down}


@asynccontextmanager
async def runner_on(database: Database, parts: Parts) -> AsyncIterator[WorkerGroup]:
    group = WorkerGroup([JobRunner("scratch", database=database, jobs=JOBS, parts=parts, wake=Wake())])
    group.start()
    try:
        yield group
    finally:
        await group.stop()


@pytest.fixture
async def service(scratch_database: Database) -> AsyncIterator[Service]:
    made = assemble(
        name="scratch", settings=Settings(_env_file=None, secret_key=SECRET), parts=Parts(), database=scratch_database,
        event_log=open_event_log(scratch_database.url), clock=SystemClock(), routers=[], jobs=JOBS,
    )  # fmt: skip
    yield made
    await made.event_log.close()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as made:
        yield made


async def enqueue(database: Database, kind: str, **parameters: Any) -> UUID:
    async with database.write() as session:
        return await enqueue_job(session, kind, parameters)


async def reaches(client: httpx.AsyncClient, job_id: UUID, state: str) -> dict[str, Any]:
    async def probe() -> dict[str, Any] | None:
        found: dict[str, Any] = (await client.get(f"/v1/jobs/{job_id}")).json()
        return found if found["state"] == state else None

    found: dict[str, Any] = await eventually(probe)
    return found


async def test_a_job_runs_and_tells_its_result(client: httpx.AsyncClient, service: Service) -> None:
    job_id = await enqueue(service.database, "count_up", a=41)
    assert (await reaches(client, job_id, "queued"))["result"] is None
    async with runner_on(service.database, service.parts):
        job = await reaches(client, job_id, "succeeded")
    assert (job["done"], job["total"], job["result"], job["service"]) == (3, 3, {"sum": 42}, "scratch")


async def test_the_commit_wakes_a_running_service(client: httpx.AsyncClient, service: Service) -> None:
    async with service.running():
        first = await enqueue(service.database, "count_up", a=1)
        await reaches(client, first, "succeeded")
        second = await enqueue(service.database, "count_up", a=1)
        began = asyncio.get_running_loop().time()
        await reaches(client, second, "succeeded")
        assert asyncio.get_running_loop().time() - began < 2


async def test_a_job_whose_transaction_rolls_back_never_was(service: Service) -> None:
    async def fail_after_enqueueing() -> None:
        async with service.database.write() as session:
            await enqueue_job(session, "count_up", {"a": 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_enqueueing()
    async with service.database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM jobs")) == 0


async def test_a_job_that_cannot_succeed_fails_at_once_with_its_sentence(
    client: httpx.AsyncClient, service: Service
) -> None:
    job_id = await enqueue(service.database, "refuse")
    async with runner_on(service.database, service.parts):
        job = await reaches(client, job_id, "failed")
    assert job["error"] == "The table has no column named target."
    assert service.parts.started == 1


async def test_an_unexpected_error_is_tried_three_times_and_its_details_stay_with_us(
    client: httpx.AsyncClient, service: Service
) -> None:
    job_id = await enqueue(service.database, "break_down")
    async with runner_on(service.database, service.parts):
        job = await reaches(client, job_id, "failed")
    assert "secret" not in job["error"]
    assert service.parts.started == 3


async def test_two_runners_run_a_job_once(client: httpx.AsyncClient, service: Service) -> None:
    job_ids = [await enqueue(service.database, "count_up", a=number) for number in range(10)]
    async with runner_on(service.database, service.parts), runner_on(service.database, service.parts):
        for job_id in job_ids:
            await reaches(client, job_id, "succeeded")
    assert service.parts.started == 10


async def test_a_runner_that_stops_leaves_its_job_to_the_next(client: httpx.AsyncClient, service: Service) -> None:
    job_id = await enqueue(service.database, "wait_at_gate")
    async with runner_on(service.database, service.parts):
        await reaches(client, job_id, "running")
    await reaches(client, job_id, "queued")
    service.parts.gate.set()
    async with runner_on(service.database, service.parts):
        assert (await reaches(client, job_id, "succeeded"))["result"] == {"attempt": 1}


async def test_a_runner_that_loses_its_connection_lets_go_and_the_job_is_resumed(
    client: httpx.AsyncClient, service: Service
) -> None:
    job_id = await enqueue(service.database, "wait_at_gate")
    async with runner_on(service.database, service.parts):
        await reaches(client, job_id, "running")
        await eventually(lambda: service.parts.started == 1)
        async with service.database.read() as session:
            await session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'stave-scratch-jobs' AND datname = current_database()"
                )
            )
        await eventually(lambda: service.parts.started == 2)
        service.parts.gate.set()
        await reaches(client, job_id, "succeeded")


async def test_jobs_are_listed_by_pages_latest_first(client: httpx.AsyncClient, service: Service) -> None:
    job_ids = [str(await enqueue(service.database, "count_up", a=number)) for number in range(5)]
    first = (await client.get("/v1/jobs?limit=3")).json()
    second = (await client.get("/v1/jobs", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [job["id"] for job in [*first["items"], *second["items"]]] == job_ids[::-1]
    assert second["next_cursor"] is None
    assert (await client.get("/v1/jobs?state=failed")).json()["items"] == []


async def test_an_unknown_job_is_a_problem(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/jobs/00000000-0000-0000-0000-000000000000")
    assert (response.status_code, response.json()["code"]) == (404, "job_does_not_exist")
