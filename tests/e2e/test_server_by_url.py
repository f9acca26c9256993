"""A PostgreSQL that the operator runs, named by STAVE_DATABASE_URL: it goes down, and it comes back."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from standalone.postgres import PostgresServer
from tests.support.eventually import eventually
from tests.support.platform import PlatformProcess


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    """A server that the platform has not started."""
    folder = tmp_path / "elsewhere"
    server = PostgresServer(folder, ends_with_parent=True)
    yield server
    server.stop()
    pointer = folder / "location"
    if pointer.exists():
        shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)


async def test_while_it_is_down_each_answer_says_so_and_afterwards_all_goes_on(
    server: PostgresServer, tmp_path: Path
) -> None:
    platform = PlatformProcess(tmp_path / "data", STAVE_DATABASE_URL=server.start())
    try:
        platform.start()
        await platform.wait_until_ready()
        assert platform.postgres_processes() == []
        async with platform.client() as client:
            kept = (await client.post("/v1/customers", json={"name": "Ada"})).json()
            server.stop()
            for answer in (
                await client.post("/v1/customers", json={"name": "Grace"}),
                await client.get(f"/v1/customers/{kept['id']}"),
            ):
                assert answer.status_code == 503
                assert answer.headers["content-type"] == "application/problem+json"
                assert "retry-after" in answer.headers
            assert (await client.get("/health/ready")).status_code == 503
            assert (await client.get("/health/live")).status_code == 200
            server.start()

            async def serves() -> bool:
                return (await client.post("/v1/customers", json={"name": "Grace"})).status_code == 201

            await eventually(serves, within_seconds=30)
            assert (await client.get(f"/v1/customers/{kept['id']}")).json()["name"] == "Ada"
        await platform.settle()
    finally:
        platform.stop()
