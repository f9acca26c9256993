"""Partner webhooks: filtered, logged, replayed, kept apart (requirements W8, W9, W11 and the control group)."""

import json
from uuid import uuid4

import asyncpg
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from contracts.customer import CustomerErased
from contracts.scoring import ChurnAlertUpdated
from tests.conftest import ClientFor
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
from tests.support.webhooks import RAISED, Running, campaign_service, endpoint, settled  # noqa: F401 - a fixture


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
