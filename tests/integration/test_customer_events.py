"""What the customer service makes of the events of the others, on a real PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from chassis.database import raw_connection
from chassis.service import Service
from contracts.campaign import ActionDecided, DeliverySucceeded
from contracts.customer import ExternalId
from contracts.identity import customer_id_for
from contracts.interaction import HistoryRecorded, HistoryRow, InteractionRecorded
from contracts.scoring import ChurnAlertCleared, ChurnAlertRaised, ChurnAlertUpdated, CustomerScored
from customer.app import build
from customer.handlers import on_history_recorded
from customer.settings import CustomerSettings
from tests.conftest import INSTALLATION, ClientFor, SettingsFor
from tests.support.customers import arrived, deliver, of_type, overview, published, published_types, readable, register

START = datetime(2026, 1, 1, tzinfo=UTC)
MARGIN = {"amount": "112.40", "currency": "EUR"}


@pytest.fixture
async def service(settings_for: SettingsFor) -> AsyncIterator[Service]:
    made = build(await settings_for(CustomerSettings))
    yield made
    await made.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as opened:
        yield opened


def interaction(
    external_id: str | None = "1", *, day: int = 0, kind: str = "purchase", **more: Any
) -> InteractionRecorded:
    customer_id = customer_id_for(INSTALLATION, "shop", external_id) if external_id else uuid4()
    members = {
        "customer_id": customer_id, "id": uuid4(), "source": "shop", "source_id": str(uuid4()), "channel": "web",
        "external_id": external_id and {"source": "shop", "id": external_id}, "direction": "inbound", "kind": kind,
        "occurred_at": START + timedelta(days=day), "known_at": START + timedelta(days=day),
    }  # fmt: skip
    return InteractionRecorded.model_validate(members | more)


def scored(customer_id: UUID, *, probability: float = 0.4, version: int = 1, tier: str = "gold") -> CustomerScored:
    return CustomerScored.model_validate({
        "customer_id": customer_id, "probability": probability, "band": "high", "horizon_days": 90, "model": "churn/7",
        "scored_at": START, "base": -1.9, "reasons": [{
            "code": "silence", "feature": "days", "value": 73, "effect": 0.2, "text": "73 days since the last purchase",
        }], "expected_margin": MARGIN, "value_horizon_days": 365, "tier": tier, "stage": "decline", "version": version,
    })  # fmt: skip


def alert(customer_id: UUID, alert_id: UUID, *, version: int = 1) -> ChurnAlertRaised:
    return ChurnAlertRaised.model_validate({
        "customer_id": customer_id, "alert_id": alert_id, "probability": 0.4, "band": "high", "horizon_days": 90,
        "model": "churn/7", "scored_at": START, "expected_margin": MARGIN, "expected_profit": MARGIN, "reasons": [],
        "tier": "gold", "stage": "decline", "version": version, "raised_at": START,
    })  # fmt: skip


def cleared(customer_id: UUID, alert_id: UUID, *, version: int) -> ChurnAlertCleared:
    return ChurnAlertCleared.model_validate({
        "customer_id": customer_id, "alert_id": alert_id, "probability": 0.1, "cause": "recovered", "cleared_at": START,
        "version": version,
    })  # fmt: skip


async def test_an_unknown_customer_of_an_interaction_becomes_a_profile(
    service: Service, client: httpx.AsyncClient
) -> None:
    event = interaction("17850")
    await deliver(service, event, interaction("17850", day=1))
    profile = (await client.get("/v1/customers/by-external-id/shop/17850")).json()
    assert profile["id"] == str(event.customer_id)
    assert await published_types(service) == ["customer.created"]
    later = await register(
        client, external_ids=[{"source": "shop", "id": "17850"}], kind="organisation", name="Ann Ltd"
    )
    assert (later["id"], later["kind"], later["matched_by"]) == (profile["id"], "organisation", "external_id")


async def test_a_customer_known_by_id_alone_becomes_a_bare_profile(service: Service, client: httpx.AsyncClient) -> None:
    event = interaction(None)
    await deliver(service, event)
    assert (await client.get(f"/v1/customers/{event.customer_id}")).json()["external_ids"] == []


async def test_an_external_id_that_is_another_profiles_is_told_as_a_merge_once(
    service: Service, client: httpx.AsyncClient
) -> None:
    ann = await register(client, emails=["a@example.com"], external_ids=[{"source": "crm", "id": "9"}])
    await register(client, emails=["a@example.com"], external_ids=[{"source": "shop", "id": "1"}])
    event = interaction("1", kind="visit")
    await deliver(service, event, interaction("1", day=1))
    await deliver(service, interaction("1", day=2))
    merged = of_type(await published(service), "customer.merged.v1")
    assert [(one["subject"], one["data"]["into"]) for one in merged] == [(str(event.customer_id), ann["id"])]
    shown = await overview(client, event.customer_id)
    assert (shown["profile"]["id"], shown["counts"]) == (ann["id"], {"purchase": 2, "visit": 1})
    merges = (await client.get("/v1/merges", params={"customer_id": ann["id"]})).json()["items"]
    assert (await client.post(f"/v1/merges/{merges[0]['id']}/undo")).status_code == 409


async def test_the_last_ten_interactions_are_kept_in_whatever_order_they_come(
    service: Service, client: httpx.AsyncClient
) -> None:
    events = [
        interaction("1", day=day, amount={"amount": "15.30", "currency": "GBP"}) for day in (*range(10, 20), *range(10))
    ]
    for event in events:
        await deliver(service, event)
    shown = await overview(client, events[0].customer_id)
    days = [one["occurred_at"] for one in shown["interactions"]]
    assert days == sorted(days, reverse=True)
    assert (len(days), days[0][:10], days[-1][:10]) == (10, "2026-01-20", "2026-01-11")
    assert shown["interactions"][0]["amount"] == {"amount": "15.30", "currency": "GBP"}
    assert shown["counts"] == {"purchase": 20}
    assert (shown["first_seen_at"][:10], shown["last_seen_at"][:10]) == ("2026-01-01", "2026-01-20")
    async with service.database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM recent_interactions")) == 10


async def test_our_own_touches_are_no_sign_of_life(service: Service, client: httpx.AsyncClient) -> None:
    event = interaction("1")
    await deliver(service, event, interaction("1", day=5, kind="campaign_touch", direction="outbound"))
    shown = await overview(client, event.customer_id)
    assert [one["kind"] for one in shown["interactions"]] == ["purchase"]
    assert [one["kind"] for one in shown["own_touches"]] == ["campaign_touch"]
    assert shown["last_seen_at"][:10] == "2026-01-01"


async def test_an_event_that_comes_twice_counts_once(service: Service, client: httpx.AsyncClient) -> None:
    event = interaction("1")
    record = arrived(event)
    await deliver(service, record, record)
    await deliver(service, record)
    assert (await overview(client, event.customer_id))["counts"] == {"purchase": 1}


def history(count: int, *, customers: int) -> HistoryRecorded:
    rows = [
        HistoryRow(
            id=uuid4(), customer_id=customer_id_for(INSTALLATION, "shop", str(n % customers)), channel="store",
            external_id=ExternalId(source="shop", id=str(n % customers)), kind="purchase",
            occurred_at=START - timedelta(hours=n), amount=12,
        )
        for n in range(count)
    ]  # fmt: skip
    return HistoryRecorded(shard=0, currency="EUR", rows=rows)


async def test_history_makes_profiles_and_counts_without_being_news(
    service: Service, client: httpx.AsyncClient
) -> None:
    await deliver(service, history(500, customers=25), history(500, customers=50))
    shown = await overview(client, customer_id_for(INSTALLATION, "shop", "7"))
    assert shown["counts"] == {"purchase": 30}
    assert len(shown["interactions"]) == 10
    events = await published(service)
    assert len(events) == 50
    assert all(event["backfill"] for event in events)


async def statements_for(service: Service, chunk: HistoryRecorded) -> int:
    """How many statements it takes to take a chunk in."""
    asked: list[str] = []
    received = readable(service, arrived(chunk))
    async with service.database.write() as session:
        connection = await raw_connection(session)
        with connection.query_logger(lambda query: asked.append(query.query)):
            await on_history_recorded(session, [received], service.parts)
    return len(asked)


async def test_a_chunk_of_history_takes_as_many_statements_as_a_single_row(service: Service) -> None:
    await deliver(service, history(500, customers=500))
    assert await statements_for(service, history(500, customers=500)) == await statements_for(
        service, history(1, customers=1)
    )


async def test_scores_show_with_their_reasons_and_older_ones_are_dropped(
    service: Service, client: httpx.AsyncClient
) -> None:
    customer_id = UUID((await register(client, name="Ann"))["id"])
    await deliver(service, scored(customer_id, probability=0.5, version=2))
    await deliver(service, scored(customer_id, probability=0.1, version=1, tier="iron"))
    shown = await overview(client, customer_id)
    assert (shown["scores"]["churn"]["probability"], shown["tier"], shown["stage"]) == (0.5, "gold", "decline")
    assert shown["scores"]["churn"]["reasons"][0]["text"] == "73 days since the last purchase"
    unsaid = {"model": None, "prior": None, "margin_assumed": None}
    assert shown["scores"]["value"] == {"expected_margin": MARGIN, "horizon_days": 365, "tier": "gold"} | unsaid


async def test_the_newest_of_several_scores_in_a_batch_counts(service: Service, client: httpx.AsyncClient) -> None:
    customer_id = UUID((await register(client, name="Ann"))["id"])
    await deliver(service, *(scored(customer_id, probability=version / 10, version=version) for version in (1, 3, 2)))
    assert (await overview(client, customer_id))["scores"]["churn"]["probability"] == 0.3


async def test_an_alert_shows_that_it_is_put_off_and_the_newest_probability(
    service: Service, client: httpx.AsyncClient
) -> None:
    customer_id, alert_id = UUID((await register(client, name="Ann"))["id"]), uuid4()
    raised = alert(customer_id, alert_id)
    snoozed = {"version": 2, "state": "snoozed", "snoozed_until": START + timedelta(days=9)}
    await deliver(service, raised, ChurnAlertUpdated.model_validate(raised.model_dump() | snoozed))
    later = {"scored_at": START + timedelta(days=1), "value_model": "value/3", "value_prior": False}
    await deliver(service, scored(customer_id, probability=0.7).model_copy(update=later))
    shown = await overview(client, customer_id)
    assert [(one["state"], one["probability"]) for one in shown["alerts"]] == [("snoozed", 0.7)]
    assert datetime.fromisoformat(shown["alerts"][0]["snoozed_until"]) == START + timedelta(days=9)
    value = shown["scores"]["value"]
    assert (value["model"], value["prior"], value["margin_assumed"]) == ("value/3", False, None)


async def test_an_alert_that_led_to_an_action_shows_as_acted(service: Service, client: httpx.AsyncClient) -> None:
    customer_id, alert_id = UUID((await register(client, name="Ann"))["id"]), uuid4()
    decided = ActionDecided.model_validate({
        "customer_id": customer_id, "decision_id": uuid4(), "alert_id": alert_id, "playbook": "Silent gold",
        "action": {"channel": "webhook"}, "probability": 0.4, "expected_profit": MARGIN, "reasons": [], "tier": "gold",
        "stage": "decline", "decided_at": START,
    })  # fmt: skip
    await deliver(service, alert(customer_id, alert_id), alert(customer_id, uuid4()), decided)
    shown = {one["id"]: one["state"] for one in (await overview(client, customer_id))["alerts"]}
    assert (shown.pop(str(alert_id)), list(shown.values())) == ("acted", ["open"])


async def test_an_interaction_of_nobody_in_particular_makes_no_profile(
    service: Service, client: httpx.AsyncClient
) -> None:
    event = interaction("NULL")
    await deliver(service, event, interaction("17850"))
    assert (await client.get(f"/v1/customers/{event.customer_id}")).status_code == 404
    assert await published_types(service) == ["customer.created"]


async def test_an_alert_is_open_until_it_is_cleared(service: Service, client: httpx.AsyncClient) -> None:
    customer_id, alert_id = UUID((await register(client, name="Ann"))["id"]), uuid4()
    await deliver(service, alert(customer_id, alert_id))
    [shown] = (await overview(client, customer_id))["alerts"]
    assert (shown["id"], shown["state"], shown["expected_profit"]) == (str(alert_id), "open", MARGIN)
    await deliver(service, cleared(customer_id, alert_id, version=3))
    await deliver(service, alert(customer_id, alert_id, version=2))
    assert (await overview(client, customer_id))["alerts"] == []


async def test_an_action_shows_what_became_of_it_even_if_that_is_told_first(
    service: Service, client: httpx.AsyncClient
) -> None:
    customer_id, decision_id = UUID((await register(client, name="Ann"))["id"]), uuid4()
    decided = ActionDecided.model_validate({
        "customer_id": customer_id, "decision_id": decision_id, "playbook": "Silent gold",
        "action": {"channel": "webhook"},
        "probability": 0.4, "expected_profit": MARGIN, "reasons": [], "tier": "gold", "stage": "decline",
        "decided_at": START,
    })  # fmt: skip
    delivered = DeliverySucceeded.model_validate({
        "customer_id": customer_id, "delivery_id": uuid4(), "decision_id": decision_id, "channel": "webhook",
        "attempt_count": 1, "delivered_at": START + timedelta(minutes=1),
    })  # fmt: skip
    await deliver(service, delivered)
    await deliver(service, decided)
    [shown] = (await overview(client, customer_id))["actions"]
    assert (shown["decision_id"], shown["state"], shown["playbook"]) == (str(decision_id), "delivered", "Silent gold")


async def test_what_was_said_before_an_erasure_brings_nothing_back(service: Service, client: httpx.AsyncClient) -> None:
    event = interaction("1")
    record, late_score = arrived(event), arrived(scored(event.customer_id))
    async with service.database.write() as session:
        await session.execute(
            text("INSERT INTO erased_customers (id, erased_at) VALUES (:id, clock_timestamp())"),
            {"id": event.customer_id},
        )
    await deliver(service, record, late_score)
    assert (await client.get(f"/v1/customers/{event.customer_id}")).status_code == 404
    async with service.database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM standings")) == 0
    await deliver(service, interaction("1", day=1))
    assert (await overview(client, event.customer_id))["counts"] == {"purchase": 1}
