"""Recording interactions over HTTP, on a real database."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from chassis.clock import VirtualClock
from chassis.service import Service
from contracts.envelope import Envelope
from contracts.identity import customer_id_for
from contracts.interaction import HistoryRecorded, InteractionRecorded
from interaction.app import build
from interaction.settings import InteractionSettings
from tests.conftest import INSTALLATION, ClientFor, SettingsFor

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def purchase(source_id: str = "1", **changes: Any) -> dict[str, Any]:
    return {
        "source": "shop", "source_id": source_id, "customer": {"source": "shop", "external_id": "17850"},
        "channel": "web", "kind": "purchase", "occurred_at": "2024-05-01T08:26:00Z",
        "amount": {"amount": "15.30", "currency": "EUR"}, "cost_to_serve": "0.40",
        "lines": [{"product": "85123A", "quantity": 6, "unit_price": "2.55", "amount": "15.30", "unit_cost": "1.10"}],
    } | changes  # fmt: skip


@pytest.fixture
async def service(settings_for: SettingsFor) -> AsyncIterator[Service]:
    settings = await settings_for(InteractionSettings, fx_rates={"GBP": "1.2"})
    service = build(settings, clock=VirtualClock(NOW))
    yield service
    await service.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as client:
        yield client


async def published(service: Service) -> list[Envelope]:
    async with service.database.read() as session:
        rows = await session.execute(text("SELECT payload FROM outbox ORDER BY seq"))
        return [Envelope.model_validate_json(row.payload) for row in rows]


async def test_a_purchase_is_recorded_and_told(client: httpx.AsyncClient, service: Service) -> None:
    answer = await client.post("/v1/interactions", json=purchase())
    assert answer.status_code == 202, answer.text
    customer_id = customer_id_for(INSTALLATION, "shop", "17850")
    assert answer.json() == {"id": answer.json()["id"], "customer_id": str(customer_id), "duplicate": False}
    [envelope] = await published(service)
    event = InteractionRecorded.model_validate(envelope.data)
    assert envelope.subject == str(customer_id)
    assert event.margin == Decimal("8.30")
    assert not event.margin_assumed
    assert event.known_at == NOW
    stored = (await client.get(f"/v1/interactions/{answer.json()['id']}")).json()
    assert stored["margin"] == {"amount": "8.30", "currency": "EUR"}
    assert stored["lines"][0]["product"] == "85123A"


async def test_a_second_arrival_changes_nothing_and_says_whether_it_differs(
    client: httpx.AsyncClient, service: Service
) -> None:
    first = (await client.post("/v1/interactions", json=purchase())).json()
    again = (await client.post("/v1/interactions", json=purchase())).json()
    other = (await client.post("/v1/interactions", json=purchase(cost_to_serve="0.50"))).json()
    assert again == first | {"duplicate": True}
    assert other == first | {"duplicate": True, "differs": True}
    assert len(await published(service)) == 1


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"channel": "smoke"}, "/channel"),
        ({"colour": "red"}, "/colour"),
        ({"amount": {"amount": "-1", "currency": "EUR"}}, "/amount/amount"),
        ({"amount": {"amount": "NaN", "currency": "EUR"}}, "/amount/amount"),
        ({"lines": [{"product": "a", "amount": 1, "unit_cost": "-NaN"}]}, "/lines/0/unit_cost"),
        ({"lines": [{"product": "a", "amount": 1, "unit_cost": "1e900000"}]}, "/lines/0/unit_cost"),
        ({"lines": [{"product": "a", "amount": 1, "unit_cost": "1" * 60}]}, "/lines"),
        ({"amount": {"amount": "1", "currency": "XQX"}}, "/amount/currency"),
        ({"amount": {"amount": "1", "currency": "USD"}}, "/amount/currency"),
        ({"occurred_at": "2024-05-01T08:26:00"}, "/occurred_at"),
        ({"occurred_at": "2024-05-01T12:06:00Z"}, "/occurred_at"),
        ({"customer": {"source": "shop"}}, "/customer"),
        ({"source": "stave"}, "/source"),
        ({"source_id": "a\x1fb"}, "/source_id"),
        ({"customer": {"source": "shop", "external_id": "a\nb"}}, "/customer/external_id"),
        ({"properties": {"note": "a\0b"}}, ""),
        ({"lines": [{"product": "a", "price": 1}]}, "/lines/0/price"),
        ({"lines": [{"product": "a"}]}, "/lines/0/amount"),
    ],
)
async def test_a_bad_field_is_refused_with_a_pointer_to_it(
    client: httpx.AsyncClient, service: Service, changes: dict[str, Any], pointer: str
) -> None:
    answer = await client.post("/v1/interactions", json=purchase(**changes))
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_interaction"
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
    assert await published(service) == []


@pytest.mark.parametrize("nobody", [
    "null", "NULL", "anonymous", "guest", "unknown", "undefined", "n/a", "-1", "0000", "  ", " Guest ",
])  # fmt: skip
async def test_an_id_that_stands_for_nobody_is_refused_alone_and_in_bulk(
    client: httpx.AsyncClient, service: Service, nobody: str
) -> None:
    body = purchase(customer={"source": "shop", "external_id": nobody})
    alone = await client.post("/v1/interactions", json=body)
    [in_bulk] = (await client.post("/v1/interactions/bulk", json=[body])).json()["results"]
    assert (alone.status_code, in_bulk["status"]) == (422, 422)
    for errors in (alone.json()["errors"], in_bulk["error"]["errors"]):
        assert [one["pointer"] for one in errors] == ["/customer/external_id"]
        assert "no id at all" in errors[0]["detail"]
    assert await published(service) == []


async def test_what_is_not_json_or_too_large_is_refused(client: httpx.AsyncClient) -> None:
    broken = await client.post("/v1/interactions", content=b'{"source": ', headers={"content-type": "application/json"})
    assert (broken.status_code, broken.json()["code"]) == (400, "malformed_json")
    wrong_too = await client.post(
        "/v1/interactions", content=b'{"foo": }', headers={"content-type": "application/json"}
    )
    assert (wrong_too.status_code, wrong_too.json()["code"]) == (400, "malformed_json")
    large = await client.post("/v1/interactions", json=purchase(properties={"note": "x" * 64_000}))
    assert (large.status_code, large.json()["code"]) == (413, "interaction_too_large")


async def test_an_amount_in_another_currency_counts_in_the_reporting_currency(
    client: httpx.AsyncClient, service: Service
) -> None:
    body = purchase(amount={"amount": 100, "currency": "GBP"}, lines=[], cost_to_serve=None)
    assert (await client.post("/v1/interactions", json=body)).status_code == 202
    [envelope] = await published(service)
    assert envelope.data["amount"] == {"amount": "100", "currency": "GBP"}
    assert Decimal(envelope.data["margin"]) == Decimal(30)
    assert envelope.data["margin_assumed"] is True


async def test_each_item_of_a_batch_gets_its_own_result(client: httpx.AsyncClient, service: Service) -> None:
    items = [purchase("1"), purchase("2", channel="smoke"), purchase("1"), purchase("3")]
    lines = "\n".join(json.dumps(item) for item in items) + "\nnot json\n\n"
    answer = await client.post(
        "/v1/interactions/bulk", content=lines, headers={"content-type": "application/x-ndjson"}
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["accepted"], told["rejected"]) == (3, 2)
    assert [one["status"] for one in told["results"]] == [202, 422, 202, 202, 400]
    assert [one.get("duplicate") for one in told["results"]] == [False, None, True, False, None]
    assert told["results"][2]["id"] == told["results"][0]["id"]
    assert told["results"][1]["error"]["errors"][0]["pointer"] == "/channel"
    assert [envelope.data["source_id"] for envelope in await published(service)] == ["1", "3"]
    array = (await client.post("/v1/interactions/bulk", json=items[:1])).json()
    assert [one["duplicate"] for one in array["results"]] == [True]


async def test_more_than_five_thousand_items_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/interactions/bulk", json=[{}] * 5001)
    assert (answer.status_code, answer.json()["code"]) == (413, "batch_too_large")


async def test_history_travels_in_chunks_and_is_known_when_it_happened(
    client: httpx.AsyncClient, service: Service
) -> None:
    then = "2020-01-01T00:00:00Z"
    items = [
        purchase(str(n), backfill=True, customer={"source": "shop", "external_id": str(n)}, occurred_at=then)
        for n in range(100)
    ]
    answer = await client.post("/v1/interactions/bulk", json=items)
    assert answer.json()["accepted"] == 100
    envelopes = await published(service)
    assert {envelope.type for envelope in envelopes} == {HistoryRecorded.wire_name}
    assert all(envelope.backfill for envelope in envelopes)
    chunks = [HistoryRecorded.model_validate(envelope.data) for envelope in envelopes]
    assert len(chunks) <= 12
    assert sum(len(chunk.rows) for chunk in chunks) == 100
    assert all(row.customer_id.int % 12 == chunk.shard for chunk in chunks for row in chunk.rows)
    assert chunks[0].rows[0].products == ["85123A"]
    stored = (await client.get(f"/v1/interactions/{answer.json()['results'][0]['id']}")).json()
    assert stored["known_at"] == "2020-01-01T00:00:00Z"


async def test_writes_that_arrive_together_are_all_recorded_in_few_transactions(
    client: httpx.AsyncClient, service: Service
) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/interactions", json=purchase(str(n % 50))) for n in range(100))
    )  # fmt: skip
    assert {answer.status_code for answer in answers} == {202}
    assert sum(not answer.json()["duplicate"] for answer in answers) == 50
    assert len({answer.json()["id"] for answer in answers}) == 50
    async with service.database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM interactions")) == 50
        assert await session.scalar(text("SELECT count(DISTINCT xmin::text) FROM interactions")) < 25


async def test_a_timeline_is_read_page_by_page_newest_first(client: httpx.AsyncClient) -> None:
    items = [purchase(str(n), occurred_at=f"2024-04-{n:02d}T00:00:00Z") for n in range(1, 11)]
    items.append(
        purchase("c", kind="complaint", channel="phone", amount=None, lines=[], properties={"severity": "high"})
    )
    told = (await client.post("/v1/interactions/bulk", json=items)).json()
    customer_id = told["results"][0]["customer_id"]
    seen: list[str] = []
    cursor = None
    while True:
        page = (
            await client.get(
                f"/v1/customers/{customer_id}/interactions",
                params={"limit": 4} | ({"cursor": cursor} if cursor else {}),
            )
        ).json()
        seen += [one["source_id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["c", *(str(n) for n in range(10, 0, -1))]
    complaints = await client.get(f"/v1/customers/{customer_id}/interactions", params={"kind": "complaint"})
    assert [one["properties"] for one in complaints.json()["items"]] == [{"severity": "high"}]
    recent = await client.get(
        f"/v1/customers/{customer_id}/interactions", params={"since": "2024-04-09T00:00:00Z", "channel": "web"}
    )
    assert [one["source_id"] for one in recent.json()["items"]] == ["10", "9"]


async def test_an_unknown_customer_or_interaction_is_not_found(client: httpx.AsyncClient) -> None:
    unknown = "01890000-0000-7000-8000-000000000000"
    assert (await client.get(f"/v1/customers/{unknown}/interactions")).json()["code"] == "customer_does_not_exist"
    assert (await client.get(f"/v1/interactions/{unknown}")).json()["code"] == "interaction_does_not_exist"
    assert (await client.get(f"/v1/customers/{unknown}/interactions?order=x")).status_code == 400


async def test_a_caller_without_the_scope_may_not_write(service: Service, service_client: ClientFor) -> None:
    async with service_client(service, scopes=("interactions:read",)) as reader:
        assert (await reader.post("/v1/interactions", json=purchase())).status_code == 403
        assert (await reader.post("/v1/interactions/bulk", json=[purchase()])).status_code == 403


async def test_ids_may_hold_any_character_but_controls(client: httpx.AsyncClient) -> None:
    body = purchase("A\u00a0 1\u3000é", customer={"source": "shop", "external_id": "Ω\u200b,'\\"})
    assert (await client.post("/v1/interactions", json=body)).status_code == 202
    assert (await client.post("/v1/interactions", json=body)).json()["duplicate"]
