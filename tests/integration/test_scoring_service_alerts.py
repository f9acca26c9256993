"""Alerts: raised, told again, cleared, worked on by people; history waits for its turn."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from chassis.clock import VirtualClock
from chassis.service import Service
from contracts.customer import CustomerErased, CustomerMerged
from contracts.interaction import Facts
from scoring.app import build
from scoring.settings import ScoringSettings
from tests.conftest import ClientFor, SettingsFor
from tests.support.scoring import apply, catch_up, customer, flat, history, recorded, regular, rows_of, told

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ALERTS = ("scoring.churn_alert_raised.v1", "scoring.churn_alert_updated.v1", "scoring.churn_alert_cleared.v1")


@pytest.fixture
async def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture
async def service(settings_for: SettingsFor, clock: VirtualClock) -> AsyncIterator[Service]:
    service = build(await settings_for(ScoringSettings, max_new_alerts_per_day=2), clock=clock)
    yield service
    await service.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service, scopes=("scores:read", "scores:write"), subject="ada") as client:
        yield client


async def alerts_of(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/alerts", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def fall_silent(service: Service, clock: VirtualClock, *numbers: int) -> None:
    """Regulars whom the first score finds well, and whom silence then makes likely to leave."""
    await apply(service, *history(flat(regular(customer(n), until=NOW - DAY, count=10 + n) for n in numbers)))
    await catch_up(service)
    clock.set(NOW + 50 * DAY)
    await catch_up(service)


async def test_silence_raises_an_alert_with_reasons_profit_and_assumptions(
    service: Service, client: httpx.AsyncClient, clock: VirtualClock
) -> None:
    await fall_silent(service, clock, 1)
    [alert] = await alerts_of(client, state="open")
    [event] = await told(service, *ALERTS)
    assert event.type == "scoring.churn_alert_raised.v1"
    assert event.data["alert_id"] == alert["id"]
    assert event.data["from_history"] is False
    assert alert["reasons"][0]["code"] == "silence"
    expected = alert["probability"] * float(alert["expected_margin"]["amount"]) * 0.1 - 1
    assert abs(float(alert["expected_profit"]["amount"]) - expected) < 0.02
    assert alert["assumptions"]["save_rate"] == 0.1
    assert (await client.get(f"/v1/alerts/{alert['id']}")).json() == alert


async def test_a_purchase_clears_the_alert(service: Service, client: httpx.AsyncClient, clock: VirtualClock) -> None:
    await fall_silent(service, clock, 1)
    await apply(service, recorded(customer(1), clock.business_now()))
    [alert] = await alerts_of(client)
    assert (alert["state"], alert["clear_cause"]) == ("cleared", "recovered")
    assert [event.type for event in await told(service, *ALERTS)] == [ALERTS[0], ALERTS[2]]


async def test_a_second_reason_joins_the_open_alert(
    service: Service, client: httpx.AsyncClient, clock: VirtualClock
) -> None:
    await fall_silent(service, clock, 1)
    await apply(service, recorded(customer(1), clock.business_now(), "complaint", facts=Facts(severity="high")))
    [alert] = await alerts_of(client)
    assert "complaint" in {reason["code"] for reason in alert["reasons"]}
    assert [event.type for event in await told(service, *ALERTS)] == [ALERTS[0], ALERTS[1]]


async def test_history_raises_nothing_before_a_model_is_trained(service: Service, client: httpx.AsyncClient) -> None:
    await apply(service, *history(flat(regular(customer(n), until=NOW - 60 * DAY) for n in range(5))))
    await catch_up(service)
    assert await alerts_of(client) == []


async def test_who_is_lost_gets_no_alert(service: Service, client: httpx.AsyncClient, clock: VirtualClock) -> None:
    await fall_silent(service, clock, 1)
    clock.set(NOW + 200 * DAY)
    await catch_up(service)
    [alert] = await alerts_of(client)
    assert (alert["state"], alert["clear_cause"]) == ("cleared", "lost")


async def test_alerts_are_paged_by_falling_profit(
    service: Service, client: httpx.AsyncClient, clock: VirtualClock
) -> None:
    await fall_silent(service, clock, *range(1, 8))
    everything = await alerts_of(client, state="open")
    profits = [float(alert["expected_profit"]["amount"]) for alert in everything]
    assert len(profits) == 7
    assert profits == sorted(profits, reverse=True)
    paged: list[dict[str, Any]] = []
    query: dict[str, Any] = {"state": "open", "limit": 3, "order": "-expected_profit"}
    while True:
        page = (await client.get("/v1/alerts", params=query)).json()
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert paged == everything
    assert [alert["customer_id"] for alert in await alerts_of(client, customer_id=str(customer(3)))] == [
        str(customer(3))
    ]


async def test_people_assign_note_snooze_and_dismiss(
    service: Service, client: httpx.AsyncClient, clock: VirtualClock
) -> None:
    await fall_silent(service, clock, 1)
    [alert] = await alerts_of(client)
    at = f"/v1/alerts/{alert['id']}"
    assert (await client.post(f"{at}/assign", json={"assignee": "grace"})).json()["assignee"] == "grace"
    [note] = (await client.post(f"{at}/note", json={"text": "called, no answer"})).json()["notes"]
    assert (note["author"], note["text"]) == ("ada", "called, no answer")
    until = clock.business_now() + 3 * DAY
    snoozed = await client.post(f"{at}/snooze", json={"until": until.isoformat()})
    assert snoozed.json()["state"] == "snoozed"
    past = await client.post(f"{at}/snooze", json={"until": NOW.isoformat()})
    assert (past.status_code, past.json()["errors"][0]["pointer"]) == (422, "/until")
    clock.set(until)
    await catch_up(service)
    assert (await client.get(at)).json()["state"] == "open"
    dismissed = (await client.post(f"{at}/dismiss", json={"reason": "moved abroad"})).json()
    assert (dismissed["state"], dismissed["notes"][-1]["text"]) == ("dismissed", "moved abroad")
    again = await client.post(f"{at}/dismiss")
    assert (again.status_code, again.json()["code"]) == (409, "alert_is_closed")
    clock.set(until + 10 * DAY)
    await catch_up(service)
    assert [one["state"] for one in await alerts_of(client)] == ["dismissed"], "the cool-down holds"


async def test_putting_an_alert_off_and_its_waking_are_told(
    service: Service, client: httpx.AsyncClient, clock: VirtualClock
) -> None:
    await fall_silent(service, clock, 1)
    [alert] = await alerts_of(client)
    until = clock.business_now() + 3 * DAY
    await client.post(f"/v1/alerts/{alert['id']}/snooze", json={"until": until.isoformat()})
    [put_off] = await told(service, ALERTS[1])
    assert (put_off.data["state"], datetime.fromisoformat(put_off.data["snoozed_until"])) == ("snoozed", until)
    clock.set(until)
    await catch_up(service)
    woken = (await told(service, ALERTS[1]))[-1]
    assert (woken.data["state"], woken.data["snoozed_until"]) == ("open", None)
    assert woken.data["version"] > put_off.data["version"]


async def test_an_action_marks_the_alert_as_acted(
    service: Service, client: httpx.AsyncClient, clock: VirtualClock
) -> None:
    await fall_silent(service, clock, 1)
    [alert] = await alerts_of(client)
    touch = recorded(customer(1), clock.business_now(), "campaign_touch", facts=Facts(alert_id=alert["id"]))
    await apply(service, touch)
    assert (await client.get(f"/v1/alerts/{alert['id']}")).json()["state"] == "acted"


async def test_merging_ends_the_alert_of_the_one_who_goes_and_erasure_forgets_it(
    service: Service, client: httpx.AsyncClient, clock: VirtualClock
) -> None:
    await fall_silent(service, clock, 1, 2)
    at = clock.business_now()
    await apply(service, CustomerMerged(customer_id=customer(1), into=customer(2), merge_id=customer(99), merged_at=at))
    [merged] = await alerts_of(client, customer_id=str(customer(1)))
    assert (merged["state"], merged["clear_cause"]) == ("cleared", "merged")
    await apply(service, CustomerErased(customer_id=customer(2), erased_at=at))
    assert await alerts_of(client) == []
    causes = [event.data["cause"] for event in await told(service, "scoring.churn_alert_cleared.v1")]
    assert causes == ["merged", "erased"]


async def test_a_dearer_action_takes_alerts_away(
    service: Service, client: httpx.AsyncClient, clock: VirtualClock
) -> None:
    await fall_silent(service, clock, 1)
    read = await client.get("/v1/alert-policy")
    policy = {name: value for name, value in read.json().items() if name != "version"}
    policy["action_cost"] = {"amount": "500.00", "currency": "EUR"}
    assert (await client.put("/v1/alert-policy", json=policy)).status_code == 428
    changed = await client.put("/v1/alert-policy", json=policy, headers={"If-Match": read.headers["ETag"]})
    assert changed.status_code == 200, changed.text
    assert changed.json()["action_cost"]["amount"] == "500.00"
    stale = await client.put("/v1/alert-policy", json=policy, headers={"If-Match": read.headers["ETag"]})
    assert stale.status_code == 412
    await catch_up(service)
    [alert] = await alerts_of(client)
    assert (alert["state"], alert["clear_cause"]) == ("cleared", "policy")


async def test_a_policy_that_contradicts_itself_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/alert-policy", json={"raise_at": 0.2, "clear_at": 0.3}, headers={"If-Match": '"0"'})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/clear_at")
    other = {"action_cost": {"amount": "1.00", "currency": "USD"}}
    answer = await client.put("/v1/alert-policy", json=other, headers={"If-Match": '"0"'})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/action_cost/currency")


async def test_an_unknown_alert_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/alerts/{customer(1)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "alert_does_not_exist")
    assert (await client.get("/v1/alerts", params={"order": "name"})).status_code == 422
    assert (await client.get("/v1/alerts", params={"sort": "x"})).status_code == 400


async def test_each_customer_has_one_open_alert_at_most(service: Service, clock: VirtualClock) -> None:
    await fall_silent(service, clock, 1)
    await apply(service, *(recorded(customer(1), clock.business_now(), "complaint") for _ in range(3)))
    assert len(await rows_of(service, "SELECT id FROM alerts")) == 1
