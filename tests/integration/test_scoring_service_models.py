"""Models: trained in a child process, registered, promoted, served; history that they wake waits for its turn."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest

from chassis.clock import VirtualClock
from chassis.service import Service
from contracts.customer import CustomerCreated
from contracts.interaction import HistoryRow
from scoring.app import build
from scoring.settings import ScoringSettings
from tests.conftest import ClientFor, SettingsFor
from tests.support.eventually import eventually
from tests.support.scoring import apply, catch_up, customer, history, history_row, rows_of, told

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PEOPLE = 320


def shop_history() -> list[HistoryRow]:
    """A year of a shop in which a third of the customers go silent at some point."""
    dice = Random(7)
    rows: list[HistoryRow] = []
    for number in range(PEOPLE):
        at = NOW - timedelta(days=dice.randint(250, 364), hours=dice.randint(0, 10))
        leaves = NOW - timedelta(days=dice.randint(5, 200)) if dice.random() < 0.45 else NOW
        while at < min(leaves, NOW - timedelta(hours=1)):
            rows.append(history_row(customer(number), at, amount=round(dice.uniform(20, 90), 2)))
            at += timedelta(days=dice.expovariate(1 / (4 + number % 12)) + 0.5)
    return rows


@pytest.fixture
async def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture
async def service(settings_for: SettingsFor, clock: VirtualClock) -> AsyncIterator[Service]:
    service = build(await settings_for(ScoringSettings, max_new_alerts_per_day=5), clock=clock)
    yield service
    await service.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as client:
        yield client


async def finished(client: httpx.AsyncClient, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The job that a request queued, when it is over."""
    queued = await client.post(path, json=body or {})
    assert queued.status_code == 202, queued.text

    async def over() -> dict[str, Any] | None:
        job = (await client.get(f"/v1/jobs/{queued.json()['id']}")).json()
        return job if job["state"] in ("succeeded", "failed") else None

    return await eventually(over, within_seconds=120)


async def test_training_registers_serves_and_opens_the_most_valuable_alerts(
    settings_for: SettingsFor, service_client: ClientFor
) -> None:
    service = build(await settings_for(ScoringSettings, max_new_alerts_per_day=5, clock="virtual"))
    async with service.running(), service_client(service) as client:
        await service.set_clock(NOW)
        await apply(service, *history(shop_history()))
        value = await finished(client, "/v1/models/value/train")
        assert value["result"]["models"][0]["version"] == "value/1"
        job = await finished(client, "/v1/models/churn/train")
        assert job["state"] == "succeeded", job
        [model] = job["result"]["models"]
        assert (model["version"], model["state"]) == ("churn/1", "champion")
        assert "contract" in job["result"]["not_trained"][0]
        shown = (await client.get(f"/v1/models/{model['id']}")).json()
        assert shown["metrics"]["auc"] > 0.6
        assert shown["window"]["known_until"] == "2024-04-30"

        async def everybody_scored() -> bool:
            waiting = await service.backlog()
            return not waiting["due_customers"] and not waiting["alerts_to_open"]

        await eventually(everybody_scored, within_seconds=30)
        await check_first_alerts(service, client)
        await service.set_clock(NOW + DAY)
        await eventually(everybody_scored, within_seconds=30)
        from_history = await rows_of(service, "SELECT id FROM alerts WHERE from_history")
        assert len(from_history) == 10, "five more on the next business day"


async def check_first_alerts(service: Service, client: httpx.AsyncClient) -> None:
    alerts = (await client.get("/v1/alerts", params={"state": "open"})).json()["items"]
    assert len(alerts) == 5
    assert all(alert["from_history"] and alert["model"] == "churn/1" for alert in alerts)
    [waiting] = await rows_of(service, "SELECT max(waiting_profit) AS most, count(*) AS count FROM scores")
    assert min(float(alert["expected_profit"]["amount"]) for alert in alerts) >= waiting["most"] - 0.01
    scores = (await client.get("/v1/scores", params={"limit": 200})).json()
    assert {one["churn"]["model"] for one in scores["items"]} == {"churn/1"}
    assert scores["next_cursor"] is not None


async def test_too_little_history_fails_with_a_sentence_and_registers_nothing(
    service: Service, client: httpx.AsyncClient
) -> None:
    async with service.running():
        for kind in ("churn", "value"):
            job = await finished(client, f"/v1/models/{kind}/train")
            assert job["state"] == "failed"
            assert "yet" in job["error"] or "too few" in job["error"]
        assert (await client.get("/v1/models")).json()["items"] == []


async def test_kinds_of_a_later_version_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/models/uplift/train", json={})
    assert (answer.status_code, answer.json()["code"]) == (422, "model_not_offered")
    assert (await client.post("/v1/models/churn/train", json={"horizon": 3})).status_code == 422


async def test_contracts_are_learnt_from_attributes(service: Service, client: httpx.AsyncClient) -> None:
    dice = Random(3)
    events: list[Any] = []
    rows: list[HistoryRow] = []
    for number in range(PEOPLE):
        monthly = dice.random() < 0.5
        attributes = {"contract": "Month-to-month" if monthly else "Two year", "tenure": float(dice.randint(1, 70))}
        events.append(
            CustomerCreated(customer_id=customer(number), version=1, created_at=NOW - 90 * DAY, attributes=attributes)
        )
        rows.append(history_row(customer(number), NOW - 90 * DAY, "subscription", 50.0))
        if dice.random() < (0.5 if monthly else 0.05):
            rows.append(history_row(customer(number), NOW - 20 * DAY, "cancellation", 0.0))
    async with service.running():
        await apply(service, *events, *history(rows))
        job = await finished(client, "/v1/models/churn/train")
        assert job["state"] == "succeeded", job
        [model] = job["result"]["models"]
        assert model["variant"] == "attributes"
    await catch_up(service)
    await apply(
        service,
        *(
            CustomerCreated(
                customer_id=customer(n), version=1, created_at=NOW, attributes={"contract": kind, "tenure": 5.0}
            )
            for n, kind in ((900, "Month-to-month"), (901, "Two year"), (902, "Something new"))
        ),
        *history([history_row(customer(n), NOW, "subscription", 50.0) for n in (900, 901, 902)]),
    )
    await catch_up(service)
    risky, loyal, strange = [
        (await client.get(f"/v1/customers/{customer(n)}/scores")).json()["churn"] for n in (900, 901, 902)
    ]
    assert risky["probability"] > 2 * loyal["probability"]
    assert loyal["probability"] < strange["probability"] < 1
    assert risky["reasons"][0]["code"] == "contract_end"
    assert (risky["contractual"], risky["prior"], risky["model"]) == (True, False, "churn/1")


async def test_a_candidate_serves_once_promoted_and_everybody_is_scored_again(
    service: Service, client: httpx.AsyncClient
) -> None:
    async with service.running():
        await apply(service, *history(shop_history()))
        job = await finished(client, "/v1/models/churn/train", {"promote": False, "horizon_days": 42})
        [model] = job["result"]["models"]
        assert model["state"] == "candidate"
    await catch_up(service)
    [score] = (await client.get("/v1/scores", params={"limit": 1})).json()["items"]
    assert score["churn"]["prior"] is True
    promoted = await client.post(f"/v1/models/{model['id']}/promote")
    assert (promoted.status_code, promoted.json()["state"]) == (200, "champion")
    [event] = await told(service, "scoring.model_promoted.v1")
    assert event.data["model"] == "churn/1"
    await catch_up(service)
    [score] = (await client.get("/v1/scores", params={"limit": 1})).json()["items"]
    assert (score["churn"]["prior"], score["churn"]["horizon_days"]) == (False, 42)


async def test_a_model_file_of_somebody_else_is_not_even_parsed(client: httpx.AsyncClient) -> None:
    content = base64.b64encode(b"not a model").decode()
    answer = await client.post("/v1/models", json={"content": content, "signature": "0" * 64})
    assert (answer.status_code, answer.json()["code"]) == (422, "model_file_refused")


async def test_features_stream_as_they_were_known_on_a_day(service: Service, client: httpx.AsyncClient) -> None:
    await apply(service, *history([history_row(customer(1), NOW - 30 * DAY), history_row(customer(1), NOW - 10 * DAY)]))
    answer = await client.get("/v1/features", params={"as_of": "2024-04-11"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    [row] = [json.loads(line) for line in answer.text.splitlines()]
    assert row["features"]["days_since_last_purchase"] == 10
    assert row["customer_id"] == str(customer(1))


async def test_refreshing_scores_everybody_again(service: Service, client: httpx.AsyncClient) -> None:
    await apply(service, *history([history_row(customer(n), NOW - 30 * DAY) for n in range(20)]))
    await catch_up(service)
    async with service.running():
        job = await finished(client, "/v1/scores/refresh")
        assert (job["state"], job["result"]["scored"]) == ("succeeded", 20)
    versions = await rows_of(service, "SELECT DISTINCT version FROM scores")
    assert [row["version"] for row in versions] == [2]
