"""API keys on a real database: issue, list, revoke, and what is kept of them."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from chassis.clock import SystemClock
from gateway.app import Gateway
from gateway.auth import Authenticator, KeyRing
from gateway.errors import KeyRefused, KeysCannotBeChecked
from gateway.service import ensure_admin_key, revoke_key
from gateway.settings import GatewaySettings
from tests.conftest import SettingsFor
from tests.support.gateway import Mirror, caller, client_of, issue, mirrored, open_gateway


class Stopwatch:
    """Monotonic time that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def gateway(settings_for: SettingsFor) -> AsyncIterator[Gateway]:
    async with open_gateway(await settings_for(GatewaySettings), mirrored(Mirror())) as opened:
        yield opened


async def test_an_issued_key_opens_what_its_scopes_allow(gateway: Gateway) -> None:
    async with client_of(gateway, "admin") as client:
        issued = await client.post("/v1/keys", json={"name": "shop frontend", "scopes": ["customers:read"]})
        assert issued.status_code == 201
        bearer = {"authorization": f"Bearer {issued.json()['key']}"}
        assert (await client.get("/v1/customers", headers=bearer)).status_code == 200
        refused = await client.get("/v1/keys", headers=bearer)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")


async def test_a_key_is_shown_once_and_its_secret_is_stored_nowhere(gateway: Gateway) -> None:
    async with client_of(gateway, "admin") as client:
        answer = await client.post(
            "/v1/keys", json={"name": "partner", "scopes": ["ops"]}, headers={"idempotency-key": "once"}
        )
        listed = await client.get("/v1/keys")
    secret = answer.json()["key"].split(".")[1]
    assert secret not in listed.text
    await gateway.stop()
    connection = await asyncpg.connect(gateway.database.url)
    tables = await connection.fetch("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
    everything = [str(await connection.fetch(f"SELECT * FROM {table[0]}")) for table in tables]
    await connection.close()
    assert any(answer.json()["id"] in rows for rows in everything)
    assert not any(secret in rows for rows in everything)


async def test_nobody_gives_a_scope_they_lack(gateway: Gateway) -> None:
    async with client_of(gateway, "ops", "customers:read") as client:
        granted = await client.post("/v1/keys", json={"name": "less", "scopes": ["customers:read"]})
        refused = await client.post("/v1/keys", json={"name": "more", "scopes": ["customers:read", "admin"]})
    assert granted.status_code == 201
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_not_held")
    assert "admin" in refused.json()["detail"]


async def test_nobody_revokes_a_key_that_may_more_than_theirs(gateway: Gateway) -> None:
    admin, _ = await issue(gateway, "admin")
    async with client_of(gateway, "ops") as client:
        refused = await client.delete(f"/v1/keys/{admin.id}")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_not_held")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"scopes": []}, "/scopes"),
        ({"name": ""}, "/name"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2100-01-01T00:00:00"}, "/expires_at"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(gateway: Gateway, change: dict[str, object], pointer: str) -> None:
    async with client_of(gateway, "admin") as client:
        answer = await client.post("/v1/keys", json={"name": "x", "scopes": ["ops"], **change})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_revoked_key_stops_at_once_where_it_was_revoked(gateway: Gateway) -> None:
    key, plain = await issue(gateway, "customers:read")
    async with client_of(gateway, "admin") as client:
        bearer = {"authorization": f"Bearer {plain}"}
        assert (await client.get("/v1/customers", headers=bearer)).status_code == 200
        assert (await client.delete(f"/v1/keys/{key.id}")).status_code == 204
        assert (await client.get("/v1/customers", headers=bearer)).status_code == 401
        assert (await client.delete(f"/v1/keys/{key.id}")).status_code == 204
        shown = {one["id"]: one for one in (await client.get("/v1/keys")).json()["items"]}
    assert shown[str(key.id)]["revoked_at"] is not None


async def test_a_key_revoked_by_another_gateway_is_refused_within_five_seconds(gateway: Gateway) -> None:
    key, plain = await issue(gateway, "customers:read")
    stopwatch = Stopwatch()
    elsewhere = KeyRing(gateway.database, monotonic=stopwatch)
    door = Authenticator(elsewhere, secret=b"x" * 32, clock=SystemClock())
    bearer = f"Bearer {plain}".encode()
    assert (await door.authenticate(bearer)).key_id == key.id
    async with gateway.database.write() as session:
        await revoke_key(session, key.id, revoker=caller("admin"), now=SystemClock().system_now())
    stopwatch.seconds += 5
    with pytest.raises(KeyRefused):
        await door.authenticate(bearer)


async def test_an_old_copy_of_the_keys_is_not_trusted_when_it_cannot_be_read_again(
    gateway: Gateway, settings_for: SettingsFor
) -> None:
    _, plain = await issue(gateway, "admin")
    stopwatch = Stopwatch()
    nowhere = await settings_for(GatewaySettings, database_urls={"gateway": "postgresql://x@127.0.0.1:1/none"})
    async with open_gateway(nowhere, mirrored(Mirror())) as lost:
        door = Authenticator(KeyRing(lost.database, monotonic=stopwatch), secret=b"x" * 32, clock=SystemClock())
        with pytest.raises(KeysCannotBeChecked):
            await door.authenticate(f"Bearer {plain}".encode())


async def test_the_last_admin_key_cannot_be_revoked(gateway: Gateway) -> None:
    async with client_of(gateway, "admin") as client:
        own = (await client.get("/v1/keys")).json()["items"][0]
        refused = await client.delete(f"/v1/keys/{own['id']}")
        assert (refused.status_code, refused.json()["code"]) == (409, "last_admin_key")
        await issue(gateway, "admin")
        assert (await client.delete(f"/v1/keys/{own['id']}")).status_code == 204


async def test_the_first_start_makes_one_admin_key_and_later_starts_none(gateway: Gateway) -> None:
    kept: list[str] = []
    first = await ensure_admin_key(gateway.database, keep=kept.append)
    assert kept == [first]
    assert await ensure_admin_key(gateway.database) is None
    async with client_of(gateway) as client:
        answer = await client.get("/v1/keys", headers={"authorization": f"Bearer {first}"})
    assert [key["scopes"] for key in answer.json()["items"]] == [["admin"]]


async def test_a_long_list_of_keys_comes_in_pages(gateway: Gateway) -> None:
    issued = [str((await issue(gateway, "ops"))[0].id) for _ in range(5)]
    async with client_of(gateway, "admin") as client:
        first = (await client.get("/v1/keys", params={"limit": 3})).json()
        second = (await client.get("/v1/keys", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [key["id"] for key in first["items"] + second["items"]][:5] == issued
    assert second["next_cursor"] is None
