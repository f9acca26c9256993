"""People change, merge, un-merge and erase customers and record consent, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from chassis.service import Service
from contracts.scoring import CustomerScored
from customer.app import build
from customer.settings import CustomerSettings
from tests.conftest import ClientFor, SettingsFor
from tests.support.customers import deliver, of_type, overview, published, published_types, register
from tests.support.eventually import eventually

Running = Callable[[Service], AbstractAsyncContextManager[Service]]


@pytest.fixture
async def service(settings_for: SettingsFor) -> AsyncIterator[Service]:
    made = build(await settings_for(CustomerSettings))
    yield made
    await made.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as opened:
        yield opened


async def patch(
    client: httpx.AsyncClient, customer_id: str, body: dict[str, Any], version: int | None
) -> httpx.Response:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return await client.patch(f"/v1/customers/{customer_id}", json=body, headers=headers)


async def put_consent(client: httpx.AsyncClient, customer_id: str, state: str, **more: Any) -> httpx.Response:
    consent = {"channel": "email", "purpose": "marketing", "state": state} | more
    return await client.put(f"/v1/customers/{customer_id}/consents", json={"consents": [consent]})


def scored(customer_id: str, *, tier: str, stage: str, version: int) -> CustomerScored:
    margin = {"amount": "1.00", "currency": "EUR"}
    return CustomerScored.model_validate({
        "customer_id": customer_id, "probability": 0.4, "band": "high", "horizon_days": 90, "model": "churn/1",
        "scored_at": "2026-01-01T00:00:00Z", "base": -1.0, "expected_margin": margin, "value_horizon_days": 365,
        "tier": tier, "stage": stage, "version": version,
    })  # fmt: skip


async def test_a_patch_changes_what_it_names_and_null_clears(client: httpx.AsyncClient) -> None:
    customer = await register(
        client, name="Ann", country="GB", emails=["a@example.com", "b@example.com"], attributes={"x": 1, "y": 2}
    )
    answer = await patch(
        client,
        customer["id"],
        {"country": None, "emails": ["b@example.com", "C@example.com"], "attributes": {"x": None}},
        1,
    )
    body = answer.json()
    assert (body["name"], body["country"], body["attributes"]) == ("Ann", None, {"y": 2})
    assert body["emails"] == ["b@example.com", "c@example.com"]
    assert answer.headers["etag"] == '"2"'
    assert body["provenance"]["emails"][1]["source"] == "api"


async def test_a_patch_needs_the_version_that_was_read(client: httpx.AsyncClient) -> None:
    customer = await register(client, name="Ann")
    assert (await patch(client, customer["id"], {"name": "B"}, None)).status_code == 428
    assert (await patch(client, customer["id"], {"name": "B"}, 7)).status_code == 412
    assert (await patch(client, str(uuid4()), {"name": "B"}, 1)).status_code == 404


@pytest.mark.parametrize("body", [{"kind": None}, {"id": "x"}, {"tier": "platinum"}, {"emails": ["no"]}, {"name": ""}])
async def test_a_patch_that_cannot_be_is_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    customer = await register(client, name="Ann")
    assert (await patch(client, customer["id"], body, 1)).status_code == 422


async def test_a_customer_has_no_more_than_two_hundred_attributes(client: httpx.AsyncClient) -> None:
    full = {f"a{n}": n for n in range(200)}
    customer = await register(client, emails=["a@example.com"], attributes=full)
    answer = await patch(client, customer["id"], {"attributes": {"one-more": 1}}, 1)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/attributes")
    assert (await patch(client, customer["id"], {"attributes": {"one-more": 1, "a0": None}}, 1)).status_code == 200
    assert len((await register(client, emails=["a@example.com"], attributes={"x": 1}))["attributes"]) == 200


async def test_twenty_writers_lose_no_update(client: httpx.AsyncClient) -> None:
    customer = await register(client, name="Ann", attributes={"count": 0})

    async def increment() -> None:
        while True:
            read = await client.get(f"/v1/customers/{customer['id']}")
            body = {"attributes": {"count": read.json()["attributes"]["count"] + 1}}
            headers = {"If-Match": read.headers["etag"]}
            answer = await client.patch(f"/v1/customers/{customer['id']}", json=body, headers=headers)
            if answer.status_code == 200:
                return
            assert answer.status_code == 412

    await asyncio.gather(*(increment() for _ in range(20)))
    after = await client.get(f"/v1/customers/{customer['id']}")
    assert (after.json()["attributes"], after.headers["etag"]) == ({"count": 20}, '"21"')


async def test_a_patch_that_changes_nothing_tells_nobody(service: Service, client: httpx.AsyncClient) -> None:
    customer = await register(client, name="Ann")
    before = await published_types(service)
    assert (await patch(client, customer["id"], {"name": "Ann"}, 1)).headers["etag"] == '"1"'
    assert await published_types(service) == before


async def test_a_persons_tier_holds_against_scores_until_cleared(service: Service, client: httpx.AsyncClient) -> None:
    customer_id = (await register(client, name="Ann"))["id"]
    await deliver(service, scored(customer_id, tier="iron", stage="mature", version=1))
    overruled = (await patch(client, customer_id, {"tier": "diamond"}, 1)).json()
    assert (overruled["tier"], overruled["overrides"]["tier"]) == ("diamond", "diamond")
    await deliver(service, scored(customer_id, tier="silver", stage="decline", version=2))
    held = await overview(client, customer_id)
    assert (held["tier"], held["stage"]) == ("diamond", "decline")
    assert [one["id"] for one in (await client.get("/v1/customers?tier=diamond&stage=decline")).json()["items"]] == [
        customer_id
    ]
    assert (await client.get("/v1/customers?tier=silver")).json()["items"] == []
    assert (await patch(client, customer_id, {"tier": None}, 2)).json()["tier"] == "silver"
    history = (await client.get(f"/v1/customers/{customer_id}/standing-history")).json()["items"]
    assert [(one["measure"], one["after"], one["cause"]) for one in reversed(history)] == [
        ("tier", "iron", "scored"), ("stage", "mature", "scored"), ("tier", "diamond", "override"),
        ("stage", "decline", "scored"), ("tier", "silver", "override"),
    ]  # fmt: skip
    assert of_type(await published(service), "customer.updated.v1")[0]["data"]["tier_override"] == "diamond"


async def test_consent_has_a_state_a_proof_and_a_history(service: Service, client: httpx.AsyncClient) -> None:
    customer_id = (await register(client, name="Ann"))["id"]
    assert (await client.get(f"/v1/customers/{customer_id}/consents")).json() == {
        "consents": [], "default": "denied", "history": [],
    }  # fmt: skip
    await put_consent(client, customer_id, "granted", proof="double opt-in", at="2026-01-01T00:00:00Z")
    after = (await put_consent(client, customer_id, "revoked")).json()
    assert [one["state"] for one in after["consents"]] == ["revoked"]
    assert [(one["state"], one["proof"]) for one in after["history"]] == [
        ("revoked", None),
        ("granted", "double opt-in"),
    ]
    told = of_type(await published(service), "customer.consent_changed.v1")
    assert [event["data"]["state"] for event in told] == ["granted", "revoked"]
    assert told[0]["data"]["version"] < told[1]["data"]["version"]


async def test_a_late_statement_does_not_undo_a_newer_one(client: httpx.AsyncClient) -> None:
    customer_id = (await register(client, name="Ann"))["id"]
    await put_consent(client, customer_id, "revoked", at="2026-02-01T00:00:00Z")
    after = (await put_consent(client, customer_id, "granted", at="2026-01-01T00:00:00Z")).json()
    assert [one["state"] for one in after["consents"]] == ["revoked"]
    assert len(after["history"]) == 2


@pytest.mark.parametrize(
    "change", [{"channel": "pigeon"}, {"state": "maybe"}, {"purpose": "Has Spaces"}, {"at": "2999-01-01T00:00:00Z"}]
)
async def test_a_consent_that_cannot_be_is_refused(client: httpx.AsyncClient, change: dict[str, str]) -> None:
    customer_id = (await register(client, name="Ann"))["id"]
    assert (await put_consent(client, customer_id, **({"state": "granted"} | change))).status_code == 422  # type: ignore[arg-type]


async def two_profiles(client: httpx.AsyncClient) -> tuple[str, str]:
    """One from the shop, one from the call centre, who prove to be one person."""
    shop = await register(
        client, external_ids=[{"source": "shop", "id": "1"}], name="Ann", emails=["a@example.com"],
        attributes={"size": 38, "club": True},
    )  # fmt: skip
    calls = await register(
        client, external_ids=[{"source": "calls", "id": "7"}], phones=["+442071838750"], emails=["c@example.com"],
        country="GB", attributes={"club": False}, kind="person",
    )  # fmt: skip
    await put_consent(client, shop["id"], "granted", at="2026-01-01T00:00:00Z")
    await put_consent(client, calls["id"], "revoked", at="2026-01-02T00:00:00Z")
    return shop["id"], calls["id"]


async def everything_read(client: httpx.AsyncClient, *ids: str) -> list[bytes]:
    paths = [f"/v1/customers/{one}{path}" for one in ids for path in ("", "/consents", "/standing-history")]
    return [(await client.get(path)).content for path in paths] + [
        # The moment a 360 was read is all that may differ.
        str({**await overview(client, one), "as_of": None}).encode() for one in ids
    ]  # fmt: skip


async def test_a_merged_id_answers_with_the_survivor(service: Service, client: httpx.AsyncClient) -> None:
    shop, calls = await two_profiles(client)
    answer = await client.post(f"/v1/customers/{shop}/merge", json={"into": calls})
    assert (answer.status_code, answer.json()["from"], answer.json()["into"]) == (200, shop, calls)
    read = (await client.get(f"/v1/customers/{shop}")).json()
    assert (read["id"], read["merged_from"], read["name"], read["country"]) == (calls, shop, "Ann", "GB")
    assert read["emails"] == ["c@example.com", "a@example.com"]
    assert read["attributes"] == {"club": False, "size": 38}
    assert (await overview(client, shop))["consents"][0]["state"] == "revoked"
    assert (await client.get("/v1/customers/by-external-id/shop/1")).json()["id"] == calls
    assert [one["id"] for one in (await client.get("/v1/customers")).json()["items"]] == [calls]
    merged = of_type(await published(service), "customer.merged.v1")
    assert [(event["subject"], event["data"]["into"]) for event in merged] == [(shop, calls)]
    assert merged[0]["data"]["external_ids"] == [{"source": "shop", "id": "1"}]


async def test_an_undone_merge_leaves_the_same_bytes(service: Service, client: httpx.AsyncClient) -> None:
    shop, calls = await two_profiles(client)
    await deliver(service, scored(shop, tier="gold", stage="growth", version=1))
    before = await everything_read(client, shop, calls)
    merge_id = (await client.post(f"/v1/customers/{shop}/merge", json={"into": calls})).json()["id"]
    assert await everything_read(client, shop, calls) != before
    undone = await client.post(f"/v1/merges/{merge_id}/undo")
    assert undone.json()["state"] == "undone"
    assert await everything_read(client, shop, calls) == before
    assert (await client.get("/v1/customers/by-external-id/shop/1")).json()["id"] == shop
    assert (await register(client, emails=["a@example.com"]))["id"] == shop
    last = [event for event in await published(service) if event["type"] == "customer.updated.v1"][-2:]
    assert {event["subject"] for event in last} == {shop, calls}


async def test_undoing_a_merge_keeps_what_the_survivor_learnt_since(client: httpx.AsyncClient) -> None:
    shop, calls = await two_profiles(client)
    merge_id = (await client.post(f"/v1/customers/{shop}/merge", json={"into": calls})).json()["id"]
    etag = (await client.get(f"/v1/customers/{calls}")).headers["etag"]
    await client.patch(
        f"/v1/customers/{calls}", json={"name": "Anna", "attributes": {"size": 40}, "time_zone": "Europe/London"},
        headers={"If-Match": etag},
    )  # fmt: skip
    await client.post(f"/v1/merges/{merge_id}/undo")
    survivor, restored = [(await client.get(f"/v1/customers/{one}")).json() for one in (calls, shop)]
    assert (survivor["name"], survivor["time_zone"]) == ("Anna", "Europe/London")
    assert (survivor["attributes"], survivor["emails"]) == ({"club": False, "size": 40}, ["c@example.com"])
    assert (restored["name"], restored["attributes"]) == ("Ann", {"club": True, "size": 38})


async def test_merges_follow_each_other_and_are_undone_from_the_last(client: httpx.AsyncClient) -> None:
    first, second, third = [(await register(client, name=name))["id"] for name in "ABC"]
    one = (await client.post(f"/v1/customers/{first}/merge", json={"into": second})).json()["id"]
    two = (await client.post(f"/v1/customers/{second}/merge", json={"into": third})).json()["id"]
    assert (await client.get(f"/v1/customers/{first}")).json()["id"] == third
    refused = await client.post(f"/v1/merges/{one}/undo")
    assert (refused.status_code, refused.json()["code"]) == (409, "cannot_undo_merge")
    assert (await client.post(f"/v1/merges/{two}/undo")).status_code == 200
    assert (await client.get(f"/v1/customers/{first}")).json()["id"] == second
    assert (await client.post(f"/v1/merges/{one}/undo")).status_code == 200
    assert (await client.get(f"/v1/customers/{first}")).json()["id"] == first
    assert len((await client.get("/v1/merges", params={"customer_id": second})).json()["items"]) == 2


async def test_a_merge_that_cannot_be_is_refused(client: httpx.AsyncClient) -> None:
    first, second, third = [(await register(client, name=name))["id"] for name in "ABC"]
    merge = await client.post(f"/v1/customers/{first}/merge", json={"into": second})
    again = await client.post(f"/v1/customers/{first}/merge", json={"into": second})
    assert again.json()["id"] == merge.json()["id"]
    for absorbed, into, status in (
        (second, second, 409), (second, first, 409), (first, third, 409), (str(uuid4()), third, 404),
        (third, str(uuid4()), 404),
    ):  # fmt: skip
        assert (await client.post(f"/v1/customers/{absorbed}/merge", json={"into": into})).status_code == status
    assert (await client.post(f"/v1/merges/{uuid4()}/undo")).status_code == 404


async def test_erasure_leaves_nothing_of_the_customer_and_tells_everybody(
    service: Service, client: httpx.AsyncClient, running: Running
) -> None:
    shop, calls = await two_profiles(client)
    await client.post("/v1/customers", json={"emails": ["a@example.com"]}, headers={"Idempotency-Key": "repeated-1"})
    await client.post(f"/v1/customers/{shop}/merge", json={"into": calls})
    async with service.database.write() as session:
        await session.execute(text("DELETE FROM outbox"))
    accepted = await client.post(f"/v1/customers/{shop}/erase")
    assert accepted.status_code == 202
    job_id = accepted.json()["id"]
    runner = next(worker for worker in service.workers if worker.name == "customer-jobs")
    stop = asyncio.Event()
    working = asyncio.create_task(runner.run(stop))

    async def done() -> Any:
        job = (await client.get(f"/v1/jobs/{job_id}")).json()
        return job if job["state"] == "succeeded" else None

    receipt = (await eventually(done))["result"]
    stop.set()
    await working
    assert sorted(receipt["erased_ids"]) == sorted([shop, calls])
    assert receipt["deleted"]["identifiers"] == 5
    for gone in (shop, calls):
        assert (await client.get(f"/v1/customers/{gone}")).status_code == 404
    assert (await client.post(f"/v1/customers/{shop}/erase")).status_code == 404
    assert await published_types(service) == ["customer.erased", "customer.erased"]
    async with service.database.read() as session:
        tombstones = list(
            await session.scalars(text("SELECT key FROM outbox WHERE payload IS NULL AND topic = 'customer-contact'"))
        )
        assert sorted(tombstones) == sorted([shop, calls])
        for table in ("customers", "identifiers", "consents", "consent_history", "merges", "standings", "idempotency"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


async def test_an_export_holds_everything(service: Service, client: httpx.AsyncClient) -> None:
    shop, calls = await two_profiles(client)
    await client.post(f"/v1/customers/{shop}/merge", json={"into": calls})
    export = (await client.get(f"/v1/customers/{calls}/export")).json()
    assert export["overview"]["profile"]["emails"] == ["c@example.com", "a@example.com"]
    assert len(export["consents"]["history"]) == 2
    assert export["merges"][0]["from"] == shop
