"""The audit trail: every write by a known caller, none lost at a graceful stop, none changed afterwards."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from gateway.app import Gateway
from gateway.audit import AuditTrail
from gateway.errors import AuditIsFull
from gateway.repository import AuditRow
from gateway.settings import GatewaySettings
from tests.conftest import SettingsFor
from tests.support.eventually import eventually
from tests.support.gateway import Mirror, client_of, mirrored, open_gateway


@pytest.fixture
async def settings(settings_for: SettingsFor) -> GatewaySettings:
    found: GatewaySettings = await settings_for(GatewaySettings)
    return found


@pytest.fixture
async def connection(settings: GatewaySettings) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(settings.database_url_for("gateway"))
    yield opened
    await opened.close()


async def test_writes_are_recorded_and_reads_are_not(settings: GatewaySettings, connection: asyncpg.Connection) -> None:
    async with open_gateway(settings, mirrored(Mirror())) as gateway, client_of(gateway, "ops", "customers:write") as c:
        await c.get("/v1/customers")
        written = await c.post("/v1/customers?q=secret", json={})
        refused = await c.post("/v1/keys", json={"name": "x", "scopes": ["admin"]})
        rows = await eventually(lambda: _at_least(connection, 2))
    assert [(row["method"], row["path"], row["status"]) for row in rows] == [
        ("POST", "/v1/customers", 200),
        ("POST", "/v1/keys", 403),
    ]
    assert rows[0]["subject"].startswith("key:")
    assert rows[1]["trace_id"] == refused.json()["trace_id"]
    assert written.status_code == 200


async def _at_least(connection: asyncpg.Connection, count: int) -> list[asyncpg.Record]:
    rows = await connection.fetch("SELECT * FROM audit ORDER BY seq")
    return rows if len(rows) >= count else []


async def test_a_graceful_stop_loses_nothing(settings: GatewaySettings, connection: asyncpg.Connection) -> None:
    async with open_gateway(settings, mirrored(Mirror())) as gateway, client_of(gateway, "admin") as client:
        for _ in range(25):
            await client.post("/v1/customers", json={})
    assert await connection.fetchval("SELECT count(*) FROM audit") == 25


@pytest.mark.parametrize("change", ["UPDATE audit SET status = 0", "DELETE FROM audit"])
async def test_what_is_recorded_stays(settings: GatewaySettings, connection: asyncpg.Connection, change: str) -> None:
    async with open_gateway(settings, mirrored(Mirror())) as gateway, client_of(gateway, "admin") as client:
        await client.post("/v1/customers", json={})
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await connection.execute(change)


async def test_a_write_that_could_not_be_recorded_is_refused_and_reading_goes_on(settings: GatewaySettings) -> None:
    mirror = Mirror()
    async with open_gateway(settings, mirrored(mirror)) as gateway, client_of(gateway, "admin") as client:
        await _block(gateway)
        refused = await client.post("/v1/customers", json={})
        assert (refused.status_code, refused.json()["code"]) == (503, "audit_is_full")
        assert not mirror.scopes
        assert (await client.get("/v1/customers")).status_code == 200


async def _block(gateway: Gateway) -> None:
    """Fill the trail to its limit while nobody stores it."""
    await gateway.audit.close()
    row = AuditRow(
        at=gateway.parts.clock.system_now(), subject="s", method="POST", path="/", status=200, trace_id="t"
    )  # fmt: skip
    while _has_room(gateway.audit):
        gateway.audit.add(row)


def _has_room(trail: AuditTrail) -> bool:
    try:
        trail.require_room()
    except AuditIsFull:
        return False
    return True
