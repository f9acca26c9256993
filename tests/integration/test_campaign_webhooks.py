"""Partner webhooks end to end: signed, retried, limited, logged, kept apart (requirements W1 to W11)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiohttp import web
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from campaign.app import build
from campaign.settings import CampaignSettings
from chassis.clock import SystemClock
from chassis.service import Service
from contracts.customer import CustomerErased
from contracts.scoring import ChurnAlertUpdated
from tests.conftest import ClientFor, SettingsFor
from tests.support.campaign import (
    NOON,
    OFFER,
    alert,
    cleared,
    consent,
    created,
    handle,
    listed,
    partner,
    playbook,
    profile,
)
from tests.support.eventually import eventually

RAISED = "scoring.churn_alert_raised.*"
Running = Callable[..., AbstractAsyncContextManager[tuple[Service, httpx.AsyncClient]]]


@pytest.fixture
async def campaign(settings_for: SettingsFor, service_client: ClientFor) -> Running:
    """`async with campaign(webhook_schedule="0,0.01") as (service, client)`: the service with its workers."""

    @asynccontextmanager
    async def run(*, start: bool = True, **overrides: Any) -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
        options = {"webhook_allow_networks": "127.0.0.0/8", "news_window": timedelta(days=36500)} | overrides
        service = build(await settings_for(CampaignSettings, **options), clock=SystemClock())
        try:
            if start:
                await service.start()
            async with service_client(service) as client:
                yield service, client
        finally:
            await service.stop()

    return run


async def endpoint(client: httpx.AsyncClient, url: str, **changes: Any) -> dict[str, Any]:
    return await created(client, "/v1/webhooks/endpoints", {"url": url, "event_types": [RAISED]} | changes)


async def settled(client: httpx.AsyncClient, state: str = "succeeded", count: int = 1) -> list[dict[str, Any]]:
    async def probe() -> list[dict[str, Any]] | None:
        found = await listed(client, f"/v1/webhooks/deliveries?state={state}&limit=200")
        return found if len(found) >= count else None

    result: list[dict[str, Any]] = await eventually(probe)
    return result


async def test_a_strangers_library_verifies_what_arrives(campaign: Running) -> None:
    async with partner() as sink, campaign() as (service, client):
        made = await endpoint(client, sink.url)
        raised = alert()
        await handle(service, raised)
        await eventually(lambda: sink.hits)
        verified = Webhook(made["secret"]).verify(sink.hits[0].body, sink.hits[0].headers)
    assert verified["data"]["alert_id"] == str(raised.alert_id)
    assert verified["id"] == sink.hits[0].headers["webhook-id"]


async def test_no_secret_is_stored_in_the_clear(campaign: Running, caplog: pytest.LogCaptureFixture) -> None:
    async with partner([500, 200]) as sink, campaign(webhook_schedule="0,0.01") as (service, client):
        body, once = {"url": sink.url, "event_types": [RAISED]}, {"Idempotency-Key": "once"}
        answer = await client.post("/v1/webhooks/endpoints", json=body, headers=once)
        again = await client.post("/v1/webhooks/endpoints", json=body, headers=once)
        await handle(service, alert())
        await settled(client)
        connection = await asyncpg.connect(service.database.url)
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        stored = "".join([str(await connection.fetch(f'SELECT * FROM "{one["tablename"]}"')) for one in tables])
        await connection.close()
    assert (again.json()["id"], again.json()["secret"]) == (answer.json()["id"], None)
    assert answer.json()["secret"] not in stored
    assert "whsec_" not in stored + caplog.text


async def test_retries_keep_id_and_body_and_sign_anew(campaign: Running) -> None:
    async with partner([500, 503, 200]) as sink, campaign(webhook_schedule="0,1.3,0.01") as (service, client):
        made = await endpoint(client, sink.url)
        await handle(service, alert())
        delivery = (await settled(client))[0]
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 503, 200]
    assert len({hit.headers["webhook-id"] for hit in sink.hits}) == 1
    assert len({hit.body for hit in sink.hits}) == 1
    assert len({hit.headers["webhook-signature"] for hit in sink.hits}) > 1
    for hit in sink.hits:
        Webhook(made["secret"]).verify(hit.body, hit.headers)


async def test_a_delivery_fails_when_its_schedule_is_over(campaign: Running) -> None:
    async with partner([500]) as sink, campaign(webhook_schedule="0,0.01,0.01") as (service, client):
        await endpoint(client, sink.url)
        await handle(service, alert())
        delivery = (await settled(client, "failed"))[0]
        assert len(sink.hits) == len(delivery["attempts"]) == 3
        assert delivery["next_attempt_at"] is None


async def test_after_a_rotation_both_secrets_verify(campaign: Running) -> None:
    async with partner() as sink, campaign() as (service, client):
        made = await endpoint(client, sink.url)
        rotated = (await client.post(f"/v1/webhooks/endpoints/{made['id']}/rotate")).json()
        await handle(service, alert())
        await eventually(lambda: sink.hits)
        for secret in (made["secret"], rotated["secret"]):
            Webhook(secret).verify(sink.hits[0].body, sink.hits[0].headers)


async def test_after_the_overlap_only_the_new_secret_signs(campaign: Running) -> None:
    async with partner() as sink, campaign(webhook_rotation_overlap=timedelta(0)) as (service, client):
        made = await endpoint(client, sink.url)
        await client.post(f"/v1/webhooks/endpoints/{made['id']}/rotate")
        await handle(service, alert())
        await eventually(lambda: sink.hits)
        with pytest.raises(Exception, match="No matching signature"):
            Webhook(made["secret"]).verify(sink.hits[0].body, sink.hits[0].headers)


async def test_gone_disables_the_endpoint_and_tells_of_it(campaign: Running) -> None:
    async with partner([410]) as sink, campaign() as (service, client):
        made = await endpoint(client, sink.url)
        await handle(service, alert())
        await settled(client, "failed")
        shown = (await client.get(f"/v1/webhooks/endpoints/{made['id']}")).json()
        assert (shown["state"], shown["disabled_cause"]) == ("disabled", "gone")
        await handle(service, alert())
        assert len(await listed(client, "/v1/webhooks/deliveries")) == 1


async def test_an_endpoint_that_only_fails_for_days_is_disabled(campaign: Running) -> None:
    options = {"webhook_schedule": "0,0.01", "webhook_disable_after": timedelta(0)}
    async with partner([500]) as sink, campaign(**options) as (service, client):
        made = await endpoint(client, sink.url)
        await handle(service, alert())
        await settled(client, "failed")
        shown = (await client.get(f"/v1/webhooks/endpoints/{made['id']}")).json()
    assert (shown["state"], shown["disabled_cause"]) == ("disabled", "failing")


async def test_redirects_are_not_followed(campaign: Running) -> None:
    async def elsewhere(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with partner([elsewhere]) as sink, campaign(webhook_schedule="0") as (service, client):
        await endpoint(client, sink.url + "/hook")
        await handle(service, alert())
        delivery = (await settled(client, "failed"))[0]
    assert delivery["attempts"][0]["status"] == 302
    assert sink.of("/elsewhere") == []


async def test_an_answer_that_drips_is_cut_off(campaign: Running) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.05)

    options = {"webhook_schedule": "0", "webhook_timeout": timedelta(seconds=0.4)}
    async with partner([drip]) as sink, campaign(**options) as (service, client):
        await endpoint(client, sink.url)
        await handle(service, alert())
        attempt = (await settled(client, "failed"))[0]["attempts"][0]
    assert "no complete answer within 0.4 s" in attempt["error"]
    assert 350 <= attempt["duration_ms"] < 5000


async def test_an_answer_without_end_is_read_up_to_its_limit(campaign: Running) -> None:
    written = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        while written < 2**30:
            await response.write(b"x" * 2**16)
            written += 2**16
        return response

    async with partner([flood]) as sink, campaign() as (service, client):
        await endpoint(client, sink.url)
        await handle(service, alert())
        attempt = (await settled(client))[0]["attempts"][0]
    assert written < 2**25
    assert len(attempt["response"]) <= 4000


async def test_what_a_receiver_echoes_is_stored_redacted(campaign: Running) -> None:
    async def echo(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="Bearer abc.def for ada@example.com, +44 20 7183 8750, whsec_c2VjcmV0")

    async with partner([echo]) as sink, campaign() as (service, client):
        await endpoint(client, sink.url)
        await handle(service, alert())
        attempt = (await settled(client))[0]["attempts"][0]
    assert attempt["response"] == "[redacted] for [redacted], [redacted], [redacted]"


async def test_one_that_hangs_does_not_delay_the_others(campaign: Running) -> None:
    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    options = {"webhook_timeout": timedelta(seconds=3)}
    async with partner([hang]) as hung, partner() as sink, campaign(**options) as (service, client):
        await endpoint(client, hung.url)
        for number in range(19):
            await endpoint(client, f"{sink.url}/{number}")
        began = asyncio.get_running_loop().time()
        await handle(service, *[alert() for _ in range(20)])
        await eventually(lambda: len(sink.hits) == 380)
    assert max(hit.at for hit in sink.hits) - began < 5


async def test_a_failing_endpoint_gets_a_pause(campaign: Running) -> None:
    options = {"webhook_breaker_failures": 3, "webhook_breaker_pause": timedelta(minutes=5), "webhook_concurrency": 1}
    async with partner([500]) as sink, campaign(**options) as (service, client):
        await endpoint(client, sink.url)
        await handle(service, *[alert() for _ in range(20)])
        await eventually(lambda: len(sink.hits) >= 3)
        await handle(service, alert())
        await settled(client, "pending", 21)
        assert len(sink.hits) == 3


async def test_an_event_nobody_asked_for_makes_no_row(campaign: Running) -> None:
    async with partner() as sink, campaign(start=False) as (service, client):
        await endpoint(client, sink.url)
        await handle(service, profile(uuid4()))
        await handle(service, alert(), backfill=True)
        assert await listed(client, "/v1/webhooks/deliveries") == []


async def test_a_thin_message_has_no_data_and_verifies(campaign: Running) -> None:
    async with partner() as sink, campaign() as (service, client):
        made = await endpoint(client, sink.url, payload="thin")
        await handle(service, alert())
        await eventually(lambda: sink.hits)
        verified = Webhook(made["secret"]).verify(sink.hits[0].body, sink.hits[0].headers)
    assert "data" not in verified
    assert verified["type"] == "scoring.churn_alert_raised.v1"


async def test_one_delivery_is_resent_with_its_id(campaign: Running) -> None:
    async with partner() as sink, campaign() as (service, client):
        await endpoint(client, sink.url)
        await handle(service, alert())
        delivery = (await settled(client))[0]
        assert (await client.post(f"/v1/webhooks/deliveries/{delivery['id']}/resend")).status_code == 202
        await eventually(lambda: len(sink.hits) == 2)
    assert len({hit.headers["webhook-id"] for hit in sink.hits}) == 1
    assert sink.hits[0].body == sink.hits[1].body


async def test_all_that_failed_since_a_time_is_recovered(campaign: Running) -> None:
    async with partner([500, 500, 500, 200]) as sink, campaign(webhook_schedule="0") as (service, client):
        made = await endpoint(client, sink.url)
        await handle(service, alert(), alert(), alert())
        failed = await settled(client, "failed", 3)
        since = {"since": failed[1]["created_at"]}
        answer = await client.post(f"/v1/webhooks/endpoints/{made['id']}/recover", json=since)
        count = answer.json()["count"]
        assert count >= 2
        await settled(client, count=count)


async def test_a_range_is_replayed_under_the_same_ids(campaign: Running) -> None:
    async with partner() as sink, campaign() as (service, client):
        made = await endpoint(client, sink.url)
        for _ in range(3):
            await handle(service, alert())
        newest, middle, oldest = await settled(client, count=3)
        wanted = {"since": oldest["created_at"], "until": newest["created_at"]}
        path = f"/v1/webhooks/endpoints/{made['id']}/recover"
        assert (await client.post(path, json=wanted)).json() == {"count": 0}
        assert (await client.post(path, json=wanted | {"states": ["succeeded", "pending"]})).json() == {"count": 2}
        await eventually(lambda: len(sink.hits) == 5)
        assert (await client.post(path, json=wanted | {"states": ["lost"]})).status_code == 422
    again = [hit.headers["webhook-id"] for hit in sink.hits[3:]]
    assert sorted(again) == sorted([middle["event_id"], oldest["event_id"]])


async def test_deliveries_are_listed_in_pages(campaign: Running) -> None:
    async with partner() as sink, campaign(start=False) as (service, client):
        await endpoint(client, sink.url)
        await handle(service, *[alert() for _ in range(5)])
        first = (await client.get("/v1/webhooks/deliveries?limit=3")).json()
        rest = (await client.get(f"/v1/webhooks/deliveries?limit=3&cursor={first['next_cursor']}")).json()
    found = [item["id"] for item in first["items"] + rest["items"]]
    assert (len(set(found)), rest["next_cursor"]) == (5, None)


async def test_a_partner_sees_only_its_own(campaign: Running, service_client: ClientFor) -> None:
    scopes = ("webhooks:read", "webhooks:write")
    async with (
        partner() as sink,
        campaign(start=False) as (service, client),
        service_client(service, scopes=scopes, subject="other") as other,
    ):
        made = await endpoint(client, sink.url)
        await handle(service, alert())
        delivery = (await listed(client, "/v1/webhooks/deliveries"))[0]
        assert await listed(other, "/v1/webhooks/endpoints") == []
        assert await listed(other, "/v1/webhooks/deliveries") == []
        for path in ("rotate", "enable", "disable", "test"):
            assert (await other.post(f"/v1/webhooks/endpoints/{made['id']}/{path}")).status_code == 404
        assert (await other.get(f"/v1/webhooks/endpoints/{made['id']}")).status_code == 404
        assert (await other.post(f"/v1/webhooks/deliveries/{delivery['id']}/resend")).status_code == 404


async def test_alerts_of_a_control_group_are_withheld_to_their_end(campaign: Running) -> None:
    async with partner() as sink, campaign(start=False) as (service, client):
        await created(client, "/v1/offers", OFFER)
        await created(client, "/v1/playbooks", playbook(hold_out_share=1.0))
        await endpoint(client, sink.url + "/blind", event_types=["scoring.churn_alert*"])
        told = await endpoint(client, sink.url, event_types=["scoring.churn_alert*"], include_hold_out=True)
        raised = alert()
        await handle(service, consent(raised.customer_id), raised)
        await handle(service, ChurnAlertUpdated(**raised.model_dump() | {"version": 2}))
        await handle(service, cleared(raised))
        deliveries = await listed(client, "/v1/webhooks/deliveries")
    assert [delivery["endpoint_id"] for delivery in deliveries] == [told["id"]] * 3


async def test_nothing_is_sent_about_the_erased_but_that_they_are(campaign: Running) -> None:
    async with partner() as sink, campaign(start=False) as (service, client):
        await endpoint(client, sink.url, event_types=["*"])
        raised = alert()
        await handle(service, raised)
        await handle(service, CustomerErased(customer_id=raised.customer_id, erased_at=NOON))
        states = {one["event_type"]: one["state"] for one in await listed(client, "/v1/webhooks/deliveries")}
    assert states == {"scoring.churn_alert_raised.v1": "failed", "customer.erased.v1": "pending"}


async def test_a_pause_of_the_database_loses_no_delivery(campaign: Running) -> None:
    async with partner() as sink, campaign() as (service, client):
        await endpoint(client, sink.url)
        await handle(service, *[alert() for _ in range(20)])
        admin = await asyncpg.connect(service.database.url)
        for _ in range(3):
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await admin.close()
        await settled(client, count=20)
    assert len({hit.headers["webhook-id"] for hit in sink.hits}) == 20


async def test_an_action_reaches_the_endpoint_it_names_and_its_delivery_is_told(campaign: Running) -> None:
    async with partner() as sink, campaign() as (service, client):
        await created(client, "/v1/offers", OFFER)
        named = await endpoint(client, sink.url + "/named")
        await endpoint(client, sink.url + "/other", event_types=["campaign.*"])
        action = {"channel": "webhook", "offer": "save-10", "endpoint_id": named["id"]}
        await created(client, "/v1/playbooks", playbook(action=action))
        raised = alert()
        await handle(service, consent(raised.customer_id), raised)
        await eventually(lambda: any(b"campaign.delivery_succeeded" in hit.body for hit in sink.of("/other")))
        actions = [json.loads(hit.body) for hit in sink.of("/named") if b"action_decided" in hit.body]
        act = (await listed(client, "/v1/actions"))[0]
    assert [action["data"]["decision_id"] for action in actions] == [act["id"]]
    assert act["deliveries"][0]["state"] == "succeeded"
    assert not any(b'action_decided.v1"' in hit.body for hit in sink.of("/other"))


async def test_a_lease_that_ran_out_is_taken_over(campaign: Running) -> None:
    async with partner() as sink, campaign(start=False) as (service, client):
        await endpoint(client, sink.url)
        await handle(service, alert())
        async with service.database.write() as session:
            # As a dispatcher leaves it that was killed after claiming.
            leased = "UPDATE deliveries SET leased_until = clock_timestamp() + interval '1 second'"
            await session.execute(text(leased))
        await service.start()
        delivery = (await settled(client))[0]
    assert len(delivery["attempts"]) == len(sink.hits) == 1


async def test_a_test_message_arrives(campaign: Running) -> None:
    async with partner() as sink, campaign() as (_, client):
        made = await endpoint(client, sink.url)
        assert (await client.post(f"/v1/webhooks/endpoints/{made['id']}/test")).status_code == 202
        await eventually(lambda: sink.hits)
        assert (
            Webhook(made["secret"]).verify(sink.hits[0].body, sink.hits[0].headers)["type"] == "stave.webhook_test.v1"
        )
