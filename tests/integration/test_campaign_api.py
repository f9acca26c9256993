"""Offers, playbooks and endpoints over HTTP: what is accepted, refused and told."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from campaign.app import build
from campaign.settings import CampaignSettings
from chassis.service import Service
from tests.conftest import ClientFor, SettingsFor
from tests.support.campaign import OFFER, TwoClocks, created, listed, playbook


@pytest.fixture
async def service(settings_for: SettingsFor) -> AsyncIterator[Service]:
    settings = await settings_for(CampaignSettings, fx_rates={"GBP": "1.15"})
    service = build(settings, clock=TwoClocks())
    yield service
    await service.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as client:
        yield client


def pointers(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return sorted(error["pointer"] for error in answer.json()["errors"])


async def test_an_offer_is_made_read_changed_and_listed(client: httpx.AsyncClient) -> None:
    made = await created(client, "/v1/offers", OFFER)
    answer = await client.get("/v1/offers/save-10")
    assert (answer.json(), answer.headers["etag"]) == (made, '"1"')
    changed = await client.patch("/v1/offers/save-10", json={"active": False}, headers={"If-Match": '"1"'})
    assert (changed.json()["active"], changed.json()["cost"]) == (False, OFFER["cost"])
    assert [offer["version"] for offer in await listed(client, "/v1/offers")] == [2]


async def test_a_change_must_know_what_it_changes(client: httpx.AsyncClient) -> None:
    await created(client, "/v1/offers", OFFER)
    assert (await client.patch("/v1/offers/save-10", json={"active": False})).status_code == 428
    stale = await client.patch("/v1/offers/save-10", json={"active": False}, headers={"If-Match": '"7"'})
    assert stale.status_code == 412


async def test_a_key_names_one_offer(client: httpx.AsyncClient) -> None:
    await created(client, "/v1/offers", OFFER)
    answer = await client.post("/v1/offers", json=OFFER)
    assert (answer.status_code, answer.json()["code"]) == (409, "offer_exists")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"cost": {"amount": "-1", "currency": "EUR"}}, "/cost/amount"),
        ({"cost": {"amount": "1", "currency": "XXX"}}, "/cost/currency"),
        ({"cost": {"amount": "NaN", "currency": "EUR"}}, "/cost/amount"),
        ({"save_rate": 1.1}, "/save_rate"),
        ({"key": "Not A Key"}, "/key"),
        ({"surprise": 1}, "/surprise"),
    ],
)
async def test_an_offer_that_makes_no_sense_is_refused(client: httpx.AsyncClient, change: Any, pointer: str) -> None:
    assert pointers(await client.post("/v1/offers", json=OFFER | change)) == [pointer]


async def test_a_playbook_is_made_read_changed_and_deleted(client: httpx.AsyncClient) -> None:
    await created(client, "/v1/offers", OFFER)
    quiet = {"from": "21:00", "to": "08:00"}
    made = await created(client, "/v1/playbooks", playbook(quiet_hours=quiet, cap={"count": 1, "days": 14}))
    path = f"/v1/playbooks/{made['id']}"
    assert (await client.get(path)).json() == made
    assert made["quiet_hours"] == quiet
    changed = await client.patch(path, json={"cap": None, "priority": 7}, headers={"If-Match": '"1"'})
    assert (changed.json()["cap"], changed.json()["priority"], changed.headers["etag"]) == (None, 7, '"2"')
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).json()["code"] == "playbook_does_not_exist"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"action": {"channel": "webhook", "offer": "nothing"}}, "/action/offer"),
        ({"action": {"channel": "webhook", "endpoint_id": str(uuid4())}}, "/action/endpoint_id"),
        ({"action": {"channel": "phone", "endpoint_id": str(uuid4())}}, "/action/endpoint_id"),
        ({"action": {"channel": "email", "subject": "{{ nobody }}"}}, "/action/subject"),
        ({"action": {"channel": "email", "body": "{% for"}}, "/action/body"),
        ({"action": {"channel": "pigeon"}}, "/action/channel"),
        ({"quiet_hours": {"from": "08:00", "to": "08:00"}}, "/quiet_hours/to"),
        ({"quiet_hours": {"from": "25:00", "to": "08:00"}}, "/quiet_hours/from"),
        ({"budget": {"amount": "1", "currency": "USD", "period": "day"}}, "/budget/currency"),
        ({"hold_out_share": 1.5}, "/hold_out_share"),
        ({"match": {"tiers": ["platinum"]}}, "/match/tiers/0"),
        ({"cap": {"count": 0, "days": 1}}, "/cap/count"),
    ],
)
async def test_a_playbook_that_could_not_act_is_refused(client: httpx.AsyncClient, change: Any, pointer: str) -> None:
    await created(client, "/v1/offers", OFFER)
    assert pointers(await client.post("/v1/playbooks", json=playbook() | change)) == [pointer]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"url": "http://127.0.0.1/"}, "/url"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "/url"),
        ({"url": "gopher://example.com/"}, "/url"),
        ({"event_types": ["customer.contact_changed.v1"]}, "/event_types/0"),
        ({"event_types": ["scoring.*", "weather.*"]}, "/event_types/1"),
        ({"event_types": []}, "/event_types"),
        ({"payload": "medium"}, "/payload"),
    ],
)
async def test_an_endpoint_that_cannot_be_used_is_refused(client: httpx.AsyncClient, change: Any, pointer: str) -> None:
    body = {"url": "https://partner.invalid/", "event_types": ["scoring.*"]}
    assert pointers(await client.post("/v1/webhooks/endpoints", json=body | change)) == [pointer]


async def test_an_endpoint_is_changed_disabled_and_enabled(client: httpx.AsyncClient) -> None:
    body = {"url": "https://partner.invalid/", "event_types": ["scoring.*"]}
    made = await created(client, "/v1/webhooks/endpoints", body)
    path = f"/v1/webhooks/endpoints/{made['id']}"
    assert "secret" not in (await client.get(path)).json()
    changed = await client.patch(path, json={"payload": "thin"}, headers={"If-Match": '"1"'})
    assert changed.json()["payload"] == "thin"
    assert (await client.post(f"{path}/disable")).json()["state"] == "disabled"
    assert (await client.post(f"{path}/test")).json()["code"] == "webhook_endpoint_is_disabled"
    assert (await client.post(f"{path}/enable")).json()["state"] == "enabled"
    assert (await client.delete(path)).status_code == 204
    assert await listed(client, "/v1/webhooks/endpoints") == []


async def test_a_reader_may_not_write(service: Service, service_client: ClientFor) -> None:
    async with service_client(service, scopes=("campaigns:read", "webhooks:read")) as reader:
        assert (await reader.post("/v1/offers", json=OFFER)).status_code == 403
        assert (await reader.post("/v1/playbooks", json=playbook())).status_code == 403
        assert (await reader.post("/v1/webhooks/endpoints", json={})).status_code == 403
        assert await listed(reader, "/v1/decisions") == []


@pytest.mark.parametrize("path", ["decisions", "actions", "call-list", "offers", "playbooks", "webhooks/deliveries"])
async def test_lists_refuse_what_they_do_not_know(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/v1/{path}?surprise=1")).status_code == 400
    assert (await client.get(f"/v1/{path}?cursor=nonsense")).status_code == 400
    assert (await client.get(f"/v1/{path}?limit=201")).status_code == 422
