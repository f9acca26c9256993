"""Partner webhooks: signed, retried, limited (requirements W1 to W7, W10, W11)."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from tests.support.campaign import (
    alert,
    handle,
    listed,
    partner,
)
from tests.support.eventually import eventually
from tests.support.webhooks import RAISED, Running, campaign_service, endpoint, settled  # noqa: F401 - a fixture


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
