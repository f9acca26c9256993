"""Local copies of customers: the newest wins, merges are followed, erasure leaves nothing."""

import itertools
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import httpx
import pytest

from campaign.app import build
from campaign.settings import CampaignSettings
from chassis.service import Service
from contracts.customer import CustomerErased, CustomerMerged, CustomerUnmerged
from tests.conftest import ClientFor, SettingsFor
from tests.support.campaign import NOON, OFFER, TwoClocks, alert, consent, contact, created, handle, listed, playbook


@pytest.fixture
async def service(settings_for: SettingsFor) -> AsyncIterator[Service]:
    service = build(await settings_for(CampaignSettings), clock=TwoClocks())
    yield service
    await service.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as client:
        await created(client, "/v1/offers", OFFER)
        await created(client, "/v1/playbooks", playbook())
        yield client


async def stored(service: Service) -> str:
    connection = await asyncpg.connect(service.database.url)
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found = "".join([str(await connection.fetch(f'SELECT * FROM "{one["tablename"]}"')) for one in tables])
    await connection.close()
    return found


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
async def test_the_newest_consent_counts_in_whatever_order_they_come(
    service: Service, client: httpx.AsyncClient, order: tuple[int, ...]
) -> None:
    customer_id = uuid4()
    states = {1: "granted", 2: "revoked", 3: "granted"}
    for version in order:
        await handle(service, consent(customer_id, state=states[version], version=version))
    await handle(service, alert(customer_id))
    assert [one["outcome"] for one in await listed(client, "/v1/decisions")] == ["act"]


async def test_several_versions_in_one_batch_leave_the_newest(service: Service, client: httpx.AsyncClient) -> None:
    customer_id = uuid4()
    await handle(service, *[consent(customer_id, state=state, version=number) for number, state in
                            enumerate(["granted", "denied"], 1)])  # fmt: skip
    await handle(service, alert(customer_id))
    assert [one["outcome"] for one in await listed(client, "/v1/decisions")] == ["suppressed"]


async def test_a_survivor_inherits_what_it_never_said_itself(service: Service, client: httpx.AsyncClient) -> None:
    old, survivor = uuid4(), uuid4()
    merged = CustomerMerged(customer_id=old, merge_id=uuid4(), into=survivor, merged_at=NOON)
    await handle(service, consent(old, state="revoked"), merged, alert(survivor))
    decision = (await listed(client, "/v1/decisions"))[0]
    states = [gate["inputs"]["state"] for gate in decision["gates"] if gate["gate"] == "consent"]
    assert states == ["revoked"]


async def test_chains_of_merges_lead_to_the_last_survivor(service: Service, client: httpx.AsyncClient) -> None:
    first, second, third = uuid4(), uuid4(), uuid4()
    merges = [
        CustomerMerged(customer_id=first, merge_id=uuid4(), into=second, merged_at=NOON),
        CustomerMerged(customer_id=second, merge_id=uuid4(), into=third, merged_at=NOON),
    ]
    await handle(service, consent(third), *merges, alert(first))
    assert [one["customer_id"] for one in await listed(client, f"/v1/decisions?customer_id={second}")] == [str(third)]


async def test_a_merge_that_is_undone_is_forgotten(service: Service, client: httpx.AsyncClient) -> None:
    old, survivor, merge_id = uuid4(), uuid4(), uuid4()
    await handle(service, CustomerMerged(customer_id=old, merge_id=merge_id, into=survivor, merged_at=NOON))
    await handle(service, CustomerUnmerged(customer_id=old, merge_id=merge_id, into=survivor, unmerged_at=NOON))
    await handle(service, alert(old))
    assert [one["customer_id"] for one in await listed(client, "/v1/decisions")] == [str(old)]


async def test_erasure_leaves_no_contact_and_nothing_brings_it_back(
    service: Service, client: httpx.AsyncClient
) -> None:
    customer_id = uuid4()
    canary = {"name": "Canary Kowalski", "emails": ["canary@example.com"], "phones": ["+48123456789"]}
    await handle(service, contact(customer_id, **canary))
    assert "canary@example.com" in await stored(service)
    await handle(service, CustomerErased(customer_id=customer_id, erased_at=NOON))
    # A replay from the beginning, or a late event of another topic.
    await handle(service, contact(customer_id, **canary | {"version": 99}))
    left = await stored(service)
    for value in ("Canary Kowalski", "canary@example.com", "+48123456789"):
        assert value not in left
