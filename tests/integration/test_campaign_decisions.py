"""From a churn alert to a decision: each gate, what is written down, what is published."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from campaign.app import build
from campaign.settings import CampaignSettings
from chassis.service import Service
from contracts.customer import CustomerErased, CustomerMerged
from contracts.scoring import ChurnAlertCleared, ChurnAlertUpdated
from tests.conftest import ClientFor, SettingsFor
from tests.support.campaign import NOON, OFFER, TwoClocks, alert, consent, created, handle, listed, playbook, profile
from tests.support.eventually import eventually

_PUBLISHED = "SELECT convert_from(payload, 'UTF8')::jsonb AS event FROM outbox ORDER BY seq"


@pytest.fixture
async def service(settings_for: SettingsFor) -> AsyncIterator[Service]:
    service = build(await settings_for(CampaignSettings, clock="virtual"), clock=TwoClocks())
    yield service
    await service.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as client:
        await created(client, "/v1/offers", OFFER)
        yield client


async def published(service: Service, wire_name: str) -> list[Any]:
    async with service.database.read() as session:
        rows = await session.execute(text(_PUBLISHED))
        return [row.event for row in rows if row.event["type"] == wire_name]


def gate(decision: dict[str, Any], name: str) -> dict[str, Any]:
    return next(gate for gate in decision["gates"] if gate["gate"] == name)


async def test_an_alert_that_passes_every_gate_becomes_an_action(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook())
    raised = alert()
    await handle(service, consent(raised.customer_id), raised)
    decision = (await listed(client, f"/v1/decisions?customer_id={raised.customer_id}"))[0]
    assert (decision["outcome"], decision["expected_profit"]["amount"]) == ("act", "17.00")
    assert [gate["gate"] for gate in decision["gates"]] == [
        "news", "snoozed", "consent", "reach", "offer", "hold_out", "frequency_cap", "quiet_hours", "budget",
        "expected_profit",
    ]  # fmt: skip
    event = (await published(service, "campaign.action_decided.v1"))[0]
    assert event["data"]["decision_id"] == decision["id"]
    assert event["traceparent"][3:35] == "ab" * 16


async def test_without_consent_the_ledger_says_why_not(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook())
    raised = alert()
    await handle(service, raised)
    decision = (await listed(client, "/v1/decisions"))[0]
    assert decision["outcome"] == "suppressed"
    assert gate(decision, "consent") == {
        "gate": "consent", "passed": False,
        "inputs": {
            "channel": "partner", "purpose": "marketing", "state": "unknown", "default": "denied", "erased": False,
        },
    }  # fmt: skip
    assert await published(service, "campaign.action_decided.v1") == []


async def test_an_alert_nobody_has_a_playbook_for_is_decided_too(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook(match={"tiers": ["diamond"]}))
    await handle(service, alert())
    decision = (await listed(client, "/v1/decisions"))[0]
    assert (decision["outcome"], decision["gates"][0]["gate"]) == ("suppressed", "playbook")


async def test_an_alert_leads_to_one_action_at_most(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook())
    raised = alert()
    worse = ChurnAlertUpdated(**raised.model_dump() | {"version": 2, "probability": 0.9})
    await handle(service, consent(raised.customer_id), raised)
    await handle(service, worse)
    assert len(await listed(client, "/v1/decisions?outcome=act")) == 1


async def test_an_alert_that_gets_worse_is_decided_again(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook(match={"min_probability": 0.8}))
    raised = alert()
    await handle(service, consent(raised.customer_id), raised)
    await handle(service, ChurnAlertUpdated(**raised.model_dump() | {"version": 2, "probability": 0.9}))
    assert [one["outcome"] for one in await listed(client, "/v1/decisions")] == ["act", "suppressed"]


async def test_an_older_version_of_an_alert_is_dropped(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook(match={"min_probability": 0.8}))
    raised = alert(version=5)
    await handle(service, consent(raised.customer_id), raised)
    await handle(service, ChurnAlertUpdated(**raised.model_dump() | {"version": 4, "probability": 0.9}))
    assert [one["outcome"] for one in await listed(client, "/v1/decisions")] == ["suppressed"]


async def test_quiet_hours_defer_an_action_to_their_end(service: Service, client: httpx.AsyncClient) -> None:
    clock = service.clock
    assert isinstance(clock, TwoClocks)
    await created(client, "/v1/playbooks", playbook(quiet_hours={"from": "21:00", "to": "08:00"}))
    raised = alert()
    # Noon in London is 21:00 in Tokyo (UTC+9).
    await handle(service, profile(raised.customer_id, "Asia/Tokyo"), consent(raised.customer_id), raised)
    deferred = (await listed(client, "/v1/decisions"))[0]
    assert (deferred["outcome"], deferred["due_at"]) == ("deferred", "2026-06-03T23:00:00Z")
    clock.set(NOON + timedelta(hours=11))
    async with service.running():
        acts = await eventually(lambda: listed(client, "/v1/decisions?outcome=act"))
    assert acts[0]["alert_id"] == str(raised.alert_id)
    resolved = (await client.get(f"/v1/decisions/{deferred['id']}")).json()
    assert resolved["resolved_by"] == acts[0]["id"]


async def test_a_snooze_outlasts_the_quiet_hours_that_an_action_waited_for(
    service: Service, client: httpx.AsyncClient
) -> None:
    clock = service.clock
    assert isinstance(clock, TwoClocks)
    await created(client, "/v1/playbooks", playbook(quiet_hours={"from": "11:00", "to": "13:00"}))
    raised = alert()
    await handle(service, consent(raised.customer_id), raised)
    # Longer than what a score is news for: putting off must not turn into never.
    until = NOON + timedelta(days=5, hours=3)
    snoozed = {"version": 2, "state": "snoozed", "snoozed_until": until}
    await handle(service, ChurnAlertUpdated(**raised.model_dump() | snoozed))
    clock.set(NOON + timedelta(hours=2))
    async with service.running():
        again = await eventually(lambda: _decided(client, 2))
        assert (again[0]["outcome"], again[0]["due_at"]) == ("deferred", "2026-06-08T15:00:00Z")
        assert gate(again[0], "snoozed")["passed"] is False
        await service.set_clock(until)
        acts = await eventually(lambda: listed(client, "/v1/decisions?outcome=act"))
    assert acts[0]["alert_id"] == str(raised.alert_id)


async def _decided(client: httpx.AsyncClient, count: int) -> list[dict[str, Any]]:
    found = await listed(client, "/v1/decisions")
    return found if len(found) >= count else []


async def test_a_cleared_alert_lets_its_deferred_action_expire(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook(quiet_hours={"from": "11:00", "to": "13:00"}))
    raised = alert()
    await handle(service, consent(raised.customer_id), raised)
    cleared = ChurnAlertCleared(
        customer_id=raised.customer_id,
        alert_id=raised.alert_id,
        probability=0.1,
        cause="recovered",
        cleared_at=NOON,
        version=2,
    )
    await handle(service, cleared)
    assert [one["outcome"] for one in await listed(client, "/v1/decisions")] == ["expired", "deferred"]


async def test_the_cap_counts_actions_of_every_playbook(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook(match={"tiers": ["gold"]}))
    await created(client, "/v1/playbooks", playbook(match={"tiers": ["iron"]}, cap={"count": 1, "days": 14}))
    customer_id = uuid4()
    await handle(service, consent(customer_id), alert(customer_id))
    await handle(service, alert(customer_id, tier="iron"))
    decision = (await listed(client, "/v1/decisions"))[0]
    assert gate(decision, "frequency_cap")["inputs"]["action_count"] == 1
    assert decision["outcome"] == "suppressed"


async def test_the_cap_follows_a_merged_customer(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook(cap={"count": 1, "days": 14}))
    old, survivor = uuid4(), uuid4()
    await handle(service, consent(old), consent(survivor), alert(old))
    await handle(service, CustomerMerged(customer_id=old, merge_id=uuid4(), into=survivor, merged_at=NOON))
    await handle(service, alert(survivor))
    assert [one["outcome"] for one in await listed(client, f"/v1/decisions?customer_id={old}")] == ["suppressed", "act"]


async def test_a_hold_out_customer_is_left_alone(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook(hold_out_share=1.0))
    raised = alert()
    await handle(service, consent(raised.customer_id), raised)
    await handle(service, ChurnAlertUpdated(**raised.model_dump() | {"version": 2}))
    assert [one["outcome"] for one in await listed(client, "/v1/decisions")] == ["hold_out"]


async def test_a_budget_is_spent_on_the_most_profitable_first(service: Service, client: httpx.AsyncClient) -> None:
    budget = {"amount": "3.50", "currency": "EUR", "period": "month"}
    await created(client, "/v1/playbooks", playbook(budget=budget))
    small, large = alert(probability=0.3), alert(probability=0.9)
    await handle(service, consent(small.customer_id), consent(large.customer_id), small, large)
    outcomes = {one["alert_id"]: one["outcome"] for one in await listed(client, "/v1/decisions")}
    assert outcomes == {str(small.alert_id): "suppressed", str(large.alert_id): "act"}


async def test_an_erased_customer_is_never_acted_on(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook())
    customer_id = uuid4()
    await handle(service, consent(customer_id), CustomerErased(customer_id=customer_id, erased_at=NOON))
    await handle(service, consent(customer_id, version=9), alert(customer_id))
    assert [one["outcome"] for one in await listed(client, "/v1/decisions")] == ["suppressed"]


async def test_an_alert_from_history_may_act_and_says_so(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook())
    raised = alert(from_history=True)
    await handle(service, consent(raised.customer_id), raised)
    decision = (await listed(client, "/v1/decisions"))[0]
    assert (decision["outcome"], decision["from_history"]) == ("act", True)


async def test_a_backfilled_alert_expires(service: Service, client: httpx.AsyncClient) -> None:
    await created(client, "/v1/playbooks", playbook())
    raised = alert()
    await handle(service, consent(raised.customer_id))
    await handle(service, raised, backfill=True)
    assert [one["outcome"] for one in await listed(client, "/v1/decisions")] == ["expired"]


async def test_a_decision_tells_its_whole_story(service: Service, client: httpx.AsyncClient) -> None:
    made = await created(client, "/v1/playbooks", playbook())
    raised = alert()
    await handle(service, consent(raised.customer_id), raised)
    short = (await listed(client, f"/v1/decisions?campaign_id={made['id']}"))[0]
    story = (await client.get(f"/v1/decisions/{short['id']}")).json()
    assert story["trace_id"] == "ab" * 16
    assert story["alert"]["reasons"][0]["text"] == "73 days of silence"
    assert UUID(story["event_id"])
    assert [one["outcome"] for one in story["decisions_of_alert"]] == ["act"]
