"""How customer and campaign events change what is recorded and read."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import permutations
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from chassis.clock import VirtualClock
from chassis.consumer import Received
from chassis.event_log import StoredRecord
from chassis.service import Service
from contracts.campaign import ActionDecided, DecidedAction, DeliveryFailed, DeliverySucceeded
from contracts.customer import (
    CustomerCreated,
    CustomerErased,
    CustomerMerged,
    CustomerUnmerged,
    CustomerUpdated,
    ExternalId,
)
from contracts.envelope import Envelope
from contracts.event import Event, Money
from contracts.identity import customer_id_for
from interaction.app import build
from interaction.settings import InteractionSettings
from tests.conftest import INSTALLATION, ClientFor, SettingsFor
from tests.integration.test_interaction_recording import NOW, purchase

AT = datetime(2024, 4, 30, tzinfo=UTC)
SHOP = ExternalId(source="shop", id="17850")
MINTED = customer_id_for(INSTALLATION, "shop", "17850")


@pytest.fixture
async def service(settings_for: SettingsFor) -> AsyncIterator[Service]:
    service = build(await settings_for(InteractionSettings), clock=VirtualClock(NOW))
    yield service
    await service.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as client:
        yield client


async def receive(service: Service, *events: Event) -> None:
    """Have the service consume events, each on its own."""
    for event in events:
        envelope = Envelope.wrap(event, event_id=uuid7(), source="test", time=AT)
        record = StoredRecord(
            topic=event.topic, partition=0, offset=0, key=event.subject, value=envelope.model_dump_json().encode()
        )
        assert service.consumer is not None
        async with service.database.write() as session:
            await service.consumer.dispatch(session, [Received(event, envelope, record)])


def created(customer_id: UUID, *external_ids: ExternalId, version: int = 1, kind: Any = CustomerCreated) -> Event:
    event: Event = kind(customer_id=customer_id, external_ids=list(external_ids), version=version, created_at=AT)
    return event


def merged(customer_id: UUID, into: UUID) -> CustomerMerged:
    return CustomerMerged(customer_id=customer_id, merge_id=uuid7(), into=into, external_ids=[], merged_at=AT)


async def timeline(client: httpx.AsyncClient, customer_id: UUID) -> list[str]:
    answer = await client.get(f"/v1/customers/{customer_id}/interactions")
    return [one["source_id"] for one in answer.json()["items"]] if answer.status_code == 200 else []


async def record(client: httpx.AsyncClient, source_id: str = "1", **changes: Any) -> UUID:
    answer = await client.post("/v1/interactions", json=purchase(source_id, **changes))
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["customer_id"])


async def test_a_known_identity_is_recorded_for_its_customer(client: httpx.AsyncClient, service: Service) -> None:
    customer_id = uuid7()
    await receive(service, created(customer_id, SHOP))
    assert await record(client) == customer_id


async def test_a_known_customer_without_interactions_has_an_empty_timeline(
    client: httpx.AsyncClient, service: Service
) -> None:
    customer_id = uuid7()
    await receive(service, created(customer_id))
    answer = await client.get(f"/v1/customers/{customer_id}/interactions")
    assert (answer.status_code, answer.json()["items"]) == (200, [])


async def test_what_was_recorded_for_a_minted_id_is_the_survivors(client: httpx.AsyncClient, service: Service) -> None:
    survivor = uuid7()
    assert await record(client, "1") == MINTED
    await receive(service, created(survivor, SHOP), merged(MINTED, survivor))
    assert await record(client, "2") == survivor
    assert await timeline(client, MINTED) == await timeline(client, survivor) == ["2", "1"]
    again = await client.post("/v1/interactions", json=purchase("1"))
    assert again.json()["customer_id"] == str(survivor)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_merges_in_any_order_lead_to_the_same_survivor(
    client: httpx.AsyncClient, service: Service, order: tuple[int, ...]
) -> None:
    one, two, three = uuid7(), uuid7(), uuid7()
    events = [merged(MINTED, one), merged(one, two), merged(two, three)]
    await record(client, "1")
    await receive(service, *(events[place] for place in order))
    assert await record(client, "2") == three
    assert await timeline(client, three) == ["2", "1"]


async def test_an_undone_merge_gives_each_their_own_back(client: httpx.AsyncClient, service: Service) -> None:
    survivor = uuid7()
    await record(client, "1")
    await receive(service, merged(MINTED, survivor), created(survivor, SHOP, version=2, kind=CustomerUpdated))
    await record(client, "2")
    undone = CustomerUnmerged(
        customer_id=MINTED, merge_id=uuid7(), into=survivor, external_ids=[SHOP], unmerged_at=AT
    )  # fmt: skip
    await receive(service, undone)
    assert await record(client, "3") == MINTED
    assert await timeline(client, MINTED) == ["3", "2", "1"]
    assert await timeline(client, survivor) == []


async def test_an_erased_customer_leaves_nothing_and_our_own_touches_do_not_come_back(
    client: httpx.AsyncClient, service: Service
) -> None:
    await record(client, "1", properties={"note": "canary"})
    await receive(service, CustomerErased(customer_id=MINTED, erased_at=AT), decided(MINTED))
    assert (await client.get(f"/v1/customers/{MINTED}/interactions")).status_code == 404
    async with service.database.read() as session:
        for table in ("interactions", "deduplication", "identities"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


def decided(customer_id: UUID, decision_id: UUID | None = None) -> ActionDecided:
    return ActionDecided(
        customer_id=customer_id, decision_id=decision_id or uuid7(), playbook="Silent gold",
        action=DecidedAction(channel="webhook", offer="save-10"), probability=0.4,
        expected_profit=Money(amount=1, currency="EUR"), reasons=[], tier="gold", stage="decline", decided_at=AT,
    )  # fmt: skip


async def test_our_own_action_and_its_delivery_show_in_the_timeline_once(
    client: httpx.AsyncClient, service: Service
) -> None:
    decision_id, delivery_id = uuid7(), uuid7()
    delivered = DeliverySucceeded(
        customer_id=MINTED, delivery_id=delivery_id, decision_id=decision_id, channel="webhook", attempt_count=1,
        delivered_at=NOW,
    )  # fmt: skip
    failed = DeliveryFailed(
        customer_id=MINTED, delivery_id=uuid7(), channel="email", attempt_count=9, error="bounced", failed_at=NOW
    )
    await receive(service, decided(MINTED, decision_id), delivered, delivered, failed)
    answer = (await client.get(f"/v1/customers/{MINTED}/interactions")).json()["items"]
    assert {(one["kind"], one["channel"], one["source"], one["source_id"]) for one in answer} == {
        ("campaign_touch", "partner", "stave", str(decision_id)),
        ("delivery_receipt", "partner", "stave", str(delivery_id)),
        ("delivery_receipt", "email", "stave", f"{failed.delivery_id}:failed"),
    }
    async with service.database.read() as session:
        rows = await session.execute(text("SELECT payload FROM outbox ORDER BY seq"))
        told = [Envelope.model_validate_json(row.payload) for row in rows]
    assert [one.data["facts"].get("decision_id") for one in told[:2]] == [str(decision_id)] * 2
    assert all(one.data["direction"] == "outbound" for one in told)
