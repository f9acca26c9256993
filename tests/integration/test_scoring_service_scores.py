"""Scoring as events come: folded once, scored in batches, told when it changed."""

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from chassis.clock import VirtualClock
from chassis.service import Service
from contracts.customer import CustomerCreated, CustomerErased, CustomerMerged, CustomerUnmerged
from contracts.event import Money
from scoring.app import build
from scoring.settings import ScoringSettings
from tests.conftest import ClientFor, SettingsFor
from tests.support.scoring import apply, catch_up, customer, history, record_of, recorded, regular, rows_of, told

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture
async def service(settings_for: SettingsFor, clock: VirtualClock) -> AsyncIterator[Service]:
    service = build(await settings_for(ScoringSettings), clock=clock)
    yield service
    await service.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service, scopes=("scores:read", "scores:write")) as client:
        yield client


async def scores_of(client: httpx.AsyncClient, number: int) -> dict:
    answer = await client.get(f"/v1/customers/{customer(number)}/scores")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_purchase_makes_a_score_that_is_told_once(service: Service, client: httpx.AsyncClient) -> None:
    await apply(service, recorded(customer(1), NOW - DAY), recorded(customer(1), NOW))
    [envelope] = await told(service, "scoring.customer_scored.v1")
    body = await scores_of(client, 1)
    assert envelope.data["customer_id"] == str(customer(1))
    assert envelope.data["probability"] == body["churn"]["probability"]
    assert body["churn"]["prior"] is True
    assert body["value"]["expected_margin"]["currency"] == "EUR"
    value = body["value"]
    assert (value["model"], value["prior"]) == ("value/prior", True)
    assert (envelope.data["value_model"], envelope.data["value_prior"]) == ("value/prior", True)
    assert envelope.data["margin_assumed"] is value["margin_assumed"]
    assert body["stage"] == "acquisition"


async def test_reasons_and_base_add_up_to_the_log_odds_of_the_probability(
    service: Service, client: httpx.AsyncClient
) -> None:
    await apply(service, *history(regular(customer(1), until=NOW - 60 * DAY)))
    await catch_up(service)
    churn = (await scores_of(client, 1))["churn"]
    log_odds = churn["base"] + sum(reason["effect"] for reason in churn["reasons"])
    assert math.isclose(1 / (1 + math.exp(-log_odds)), churn["probability"], abs_tol=1e-9)
    assert "60 days since the last purchase" in " ".join(reason["text"] for reason in churn["reasons"])


async def test_own_touches_move_nothing(service: Service, client: httpx.AsyncClient) -> None:
    await apply(service, recorded(customer(1), NOW - DAY))
    before = await scores_of(client, 1)
    await apply(service, recorded(customer(1), NOW, "campaign_touch"), recorded(customer(1), NOW, "delivery_receipt"))
    assert await scores_of(client, 1) == before
    assert len(await told(service)) == 1


async def test_somebody_known_without_behaviour_gets_the_prior_and_an_unknown_one_404(
    service: Service, client: httpx.AsyncClient
) -> None:
    await apply(service, CustomerCreated(customer_id=customer(1), version=1, created_at=NOW))
    body = await scores_of(client, 1)
    assert body["churn"]["prior"] is True
    assert (body["value"]["model"], body["value"]["prior"]) == ("value/prior", True)
    assert body["value"]["margin_assumed"] is False
    assert (body["stage"], body["value"]["tier"]) == ("prospect", "lead")
    assert 0 < body["churn"]["probability"] < 1
    unknown = await client.get(f"/v1/customers/{customer(2)}/scores")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "customer_does_not_exist")


async def test_silence_alone_raises_the_probability(
    service: Service, client: httpx.AsyncClient, clock: VirtualClock
) -> None:
    await apply(service, *history(regular(customer(1), until=NOW)))
    await catch_up(service)
    before = (await scores_of(client, 1))["churn"]
    clock.set(NOW + 45 * DAY)
    await catch_up(service)
    after = (await scores_of(client, 1))["churn"]
    assert after["scored_at"] > before["scored_at"]
    assert after["probability"] > before["probability"] + 0.1


async def test_the_running_service_scores_what_comes_over_the_log(
    settings_for: SettingsFor, service_client: ClientFor, running: object
) -> None:
    from chassis.event_log import open_event_log
    from tests.support.eventually import eventually

    settings = await settings_for(ScoringSettings, clock="virtual")
    service = build(settings)
    log = open_event_log(settings.log_url)
    async with service.running(), service_client(service) as client:
        await service.set_clock(NOW)
        await log.append([record_of(one) for one in history(regular(customer(1), until=NOW - DAY))])
        await log.append([record_of(recorded(customer(2), NOW))])

        async def scored() -> bool:
            items = (await client.get("/v1/scores")).json()["items"]
            return {one["customer_id"] for one in items} == {str(customer(1)), str(customer(2))}

        await eventually(scored)
        before = await scores_of(client, 1)
        await service.set_clock(NOW + 60 * DAY)

        async def looked_again() -> bool:
            return (await scores_of(client, 1))["churn"]["probability"] > before["churn"]["probability"]

        await eventually(looked_again)
    await log.close()


async def test_a_merged_id_answers_with_the_survivor_and_unmerging_restores_both(
    service: Service, client: httpx.AsyncClient
) -> None:
    await apply(service, *history(regular(customer(1), until=NOW - 40 * DAY) + regular(customer(2), until=NOW - DAY)))
    await catch_up(service)
    alone = [await scores_of(client, 1), await scores_of(client, 2)]
    merge_id = customer(99)
    merged = CustomerMerged(customer_id=customer(1), into=customer(2), merge_id=merge_id, merged_at=NOW)
    await apply(service, merged)
    await catch_up(service)
    together = await scores_of(client, 1)
    assert together["customer_id"] == str(customer(2))
    assert together["merged_from"] == str(customer(1))
    assert float(together["value"]["expected_margin"]["amount"]) > float(alone[1]["value"]["expected_margin"]["amount"])
    await apply(
        service, CustomerUnmerged(customer_id=customer(1), into=customer(2), merge_id=merge_id, unmerged_at=NOW)
    )
    await catch_up(service)
    for number, before in ((1, alone[0]), (2, alone[1])):
        after = await scores_of(client, number)
        assert after["churn"]["probability"] == before["churn"]["probability"]
        assert after["value"] == before["value"]


async def test_merging_before_or_after_the_behaviour_arrives_ends_in_the_same_state(
    service: Service, client: httpx.AsyncClient
) -> None:
    past = [history(regular(customer(n), until=NOW - n * DAY)) for n in (1, 2, 3, 4)]
    await apply(
        service, CustomerMerged(customer_id=customer(1), into=customer(2), merge_id=customer(98), merged_at=NOW)
    )
    await apply(service, *past[0], *past[1], *past[2], *past[3])
    await apply(
        service, CustomerMerged(customer_id=customer(3), into=customer(4), merge_id=customer(99), merged_at=NOW)
    )
    await catch_up(service)
    rows = await rows_of(service, "SELECT customer_id FROM scores")
    assert {row["customer_id"] for row in rows} == {customer(2), customer(4)}


async def test_an_erased_customer_leaves_nothing_and_does_not_come_back(
    service: Service, client: httpx.AsyncClient
) -> None:
    await apply(service, recorded(customer(1), NOW))
    await apply(service, CustomerErased(customer_id=customer(1), erased_at=NOW))
    await apply(service, recorded(customer(1), NOW), *history(regular(customer(1), until=NOW)))
    await apply(service, CustomerCreated(customer_id=customer(1), version=9, created_at=NOW))
    await catch_up(service)
    for table in ("customers", "activity", "scores", "alerts", "subscriptions"):
        assert await rows_of(service, f"SELECT * FROM {table}") == []
    assert (await client.get(f"/v1/customers/{customer(1)}/scores")).status_code == 404


async def test_an_open_subscription_makes_contractual_and_a_cancellation_lost(
    service: Service, client: httpx.AsyncClient
) -> None:
    begun = recorded(customer(1), NOW - 20 * DAY, "subscription", 80.0)
    await apply(service, begun)
    body = await scores_of(client, 1)
    assert body["churn"]["contractual"] is True
    assert float(body["value"]["expected_margin"]["amount"]) > 20 * 6
    await apply(service, recorded(customer(1), NOW, "cancellation"))
    body = await scores_of(client, 1)
    assert (body["churn"]["contractual"], body["stage"]) == (False, "lost")
    assert Money(**body["value"]["expected_margin"]).amount == 0
