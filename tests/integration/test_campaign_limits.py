"""Caps and budgets under many hands at once, and the address guard at the moment of dialling."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from campaign.app import build
from campaign.settings import CampaignSettings
from chassis.clock import SystemClock
from chassis.service import Service
from contracts.scoring import ChurnAlertRaised
from tests.conftest import ClientFor, SettingsFor
from tests.support.campaign import OFFER, TwoClocks, alert, consent, created, handle, listed, partner, playbook
from tests.support.eventually import eventually
from tests.unit.test_campaign_addresses import Names

AT_ONCE = 50


@pytest.fixture
async def service(settings_for: SettingsFor) -> AsyncIterator[Service]:
    service = build(await settings_for(CampaignSettings), clock=TwoClocks())
    yield service
    await service.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as client:
        await created(client, "/v1/offers", OFFER)
        yield client


async def outcomes(service: Service) -> dict[str, int]:
    async with service.database.read() as session:
        rows = await session.execute(text("SELECT outcome, count(*) AS count FROM decisions GROUP BY outcome"))
        return {row.outcome: row[1] for row in rows}


async def handle_until_done(service: Service, raised: ChurnAlertRaised) -> None:
    """As the consumer does it: what is transient is tried again."""
    from chassis.database import is_transient

    while True:
        try:
            return await handle(service, raised)
        except Exception as error:
            if not is_transient(error):
                raise


async def test_fifty_at_once_never_overspend_a_budget(service: Service, client: httpx.AsyncClient) -> None:
    # 31.00 buys ten offers at 3.00.
    budget = {"amount": "31.00", "currency": "EUR", "period": "day"}
    await created(client, "/v1/playbooks", playbook(budget=budget))
    alerts = [alert() for _ in range(AT_ONCE)]
    await handle(service, *[consent(one.customer_id) for one in alerts])
    await asyncio.gather(*[handle_until_done(service, one) for one in alerts])
    assert await outcomes(service) == {"act": 10, "suppressed": 40}
    async with service.database.read() as session:
        assert str(await session.scalar(text("SELECT spent FROM budgets"))) == "30.00"


async def test_fifty_at_once_never_breach_a_cap(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook(cap={"count": 3, "days": 14}))
    customer_id = uuid4()
    await handle(service, consent(customer_id))
    await asyncio.gather(*[handle_until_done(service, alert(customer_id)) for _ in range(AT_ONCE)])
    assert await outcomes(service) == {"act": 3, "suppressed": 47}


async def test_two_schedulers_decide_a_deferred_action_once(service: Service, client: httpx.AsyncClient) -> None:
    from campaign.service.alerts import reconsider_due

    await created(client, "/v1/playbooks", playbook(quiet_hours={"from": "11:00", "to": "13:00"}))
    alerts = [alert() for _ in range(20)]
    await handle(service, *[consent(one.customer_id) for one in alerts])
    await handle(service, *alerts)
    clock = service.clock
    assert isinstance(clock, TwoClocks)
    clock.set(clock.business_now() + timedelta(hours=1))

    async def reconsider() -> None:
        async with service.database.write() as session:
            await reconsider_due(session, service.parts, limit=200)

    await asyncio.gather(*[reconsider() for _ in range(4)])
    assert await outcomes(service) == {"act": 20, "deferred": 20}


async def test_a_batch_of_five_hundred_reaches_every_endpoint(service: Service, client: httpx.AsyncClient) -> None:
    for number in range(3):
        body = {"url": f"https://203.0.113.{number}/", "event_types": ["scoring.*"]}
        assert (await client.post("/v1/webhooks/endpoints", json=body)).status_code == 422
        body["url"] = f"https://partner-{number}.invalid/"
        await created(client, "/v1/webhooks/endpoints", body)
    await handle(service, *[alert() for _ in range(500)])
    async with service.database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM deliveries")) == 1500
        assert await session.scalar(text("SELECT count(*) FROM messages")) == 500


async def test_a_name_that_changes_its_mind_is_not_dialled(
    settings_for: SettingsFor, service_client: ClientFor
) -> None:
    """DNS rebinding: public when the endpoint is made, inside when it is dialled."""
    options = {"webhook_schedule": "0", "news_window": timedelta(days=36500)}
    async with partner() as sink:
        port = sink.url.rsplit(":", 1)[1]
        names = Names("8.8.8.8", "127.0.0.1")
        service = build(await settings_for(CampaignSettings, **options), clock=SystemClock(), resolver=names)
        async with service.running(), service_client(service) as client:
            body = {"url": f"http://rebinding.example:{port}/", "event_types": ["scoring.*"]}
            await created(client, "/v1/webhooks/endpoints", body)
            await handle(service, alert())
            failed = await eventually(lambda: listed(client, "/v1/webhooks/deliveries?state=failed"))
    assert "not a public address" in failed[0]["attempts"][0]["error"]
    assert sink.hits == []


async def test_a_literal_address_inside_is_not_dialled_even_if_it_was_stored(
    settings_for: SettingsFor, service_client: ClientFor
) -> None:
    options = {"webhook_schedule": "0", "news_window": timedelta(days=36500)}
    async with partner() as sink:
        service = build(await settings_for(CampaignSettings, **options), clock=SystemClock())
        async with service.running(), service_client(service) as client:
            body = {"url": "http://partner.invalid/", "event_types": ["scoring.*"]}
            made = await created(client, "/v1/webhooks/endpoints", body)
            async with service.database.write() as session:
                await session.execute(
                    text("UPDATE webhook_endpoints SET url = :url WHERE id = :id"),
                    {"url": sink.url, "id": UUID(made["id"])},
                )
            await handle(service, alert())
            failed = await eventually(lambda: listed(client, "/v1/webhooks/deliveries?state=failed"))
    assert "not a public address" in failed[0]["attempts"][0]["error"]
    assert sink.hits == []
