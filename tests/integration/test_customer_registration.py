"""Records become customers, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from chassis.service import Service
from contracts.identity import customer_id_for
from customer.app import build
from customer.settings import CustomerSettings
from tests.conftest import INSTALLATION, ClientFor, SettingsFor
from tests.support.customers import published, published_types


@pytest.fixture
async def service(settings_for: SettingsFor) -> AsyncIterator[Service]:
    made = build(await settings_for(CustomerSettings, personal_attributes=["income"]))
    yield made
    await made.stop()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service) as opened:
        yield opened


ANN = {
    "external_ids": [{"source": "shop", "id": "17850"}], "name": "Ann Example", "emails": ["Ann@Example.com"],
    "phones": ["020 7183 8750"], "country": "gb", "time_zone": "Europe/London", "attributes": {"contract": "Two year"},
}  # fmt: skip


async def post(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/v1/customers", json=body)


async def test_a_new_customer_gets_the_id_its_external_id_stands_for_and_normal_values(
    client: httpx.AsyncClient,
) -> None:
    answer = await post(client, **ANN)
    body = answer.json()
    assert answer.status_code == 201
    assert body["id"] == str(customer_id_for(INSTALLATION, "shop", "17850"))
    assert (body["emails"], body["phones"], body["country"]) == (["ann@example.com"], ["+442071838750"], "GB")
    assert body["matched_by"] is None
    assert body["possible_duplicates"] == []
    assert answer.headers["etag"] == '"1"'


@pytest.mark.parametrize(
    ("identifier", "matched_by"),
    [
        ({"external_ids": [{"source": "shop", "id": "17850"}]}, "external_id"),
        ({"emails": ["ANN@example.com"]}, "email"),
        ({"phones": ["+44 20 7183 8750"]}, "phone"),
        ({"emails": ["ann@example.com"], "external_ids": [{"source": "crm", "id": "9"}]}, "email"),
    ],
)
async def test_a_record_is_matched_by_any_identifier(
    client: httpx.AsyncClient, identifier: Any, matched_by: str
) -> None:
    first = (await post(client, **ANN)).json()
    answer = await post(client, **identifier)
    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["matched_by"]) == (first["id"], matched_by)


async def test_a_match_fills_what_is_missing_and_leaves_what_is_known(client: httpx.AsyncClient) -> None:
    await post(client, external_ids=[{"source": "shop", "id": "1"}], name="Ann")
    body = (await post(
        client, external_ids=[{"source": "shop", "id": "1"}, {"source": "crm", "id": "2"}], name="Anna", country="FR",
        emails=["a@example.com"], attributes={"x": 1},
    )).json()  # fmt: skip
    assert (body["name"], body["country"], body["attributes"]) == ("Ann", "FR", {"x": 1})
    assert body["external_ids"] == [{"source": "shop", "id": "1"}, {"source": "crm", "id": "2"}]
    assert body["provenance"]["values"]["country"]["source"] == "shop"


async def test_a_repeated_record_changes_nothing_and_tells_nobody(service: Service, client: httpx.AsyncClient) -> None:
    await post(client, **ANN)
    before = await published_types(service)
    answer = await post(client, **ANN)
    assert answer.headers["etag"] == '"1"'
    assert await published_types(service) == before == ["customer.created", "customer.contact_changed"]


async def test_when_identifiers_disagree_the_external_id_wins_and_the_others_are_told(
    client: httpx.AsyncClient,
) -> None:
    ann = (await post(client, **ANN)).json()
    bob = (await post(client, external_ids=[{"source": "shop", "id": "2"}], emails=["bob@example.com"])).json()
    answer = await post(
        client, external_ids=[{"source": "shop", "id": "2"}], emails=["ann@example.com"], phones=["+442071838750"]
    )
    assert (answer.json()["id"], answer.json()["matched_by"]) == (bob["id"], "external_id")
    assert answer.json()["possible_duplicates"] == [ann["id"]]
    again = (await post(client, emails=["ann@example.com"])).json()
    assert again["id"] == ann["id"]


async def test_another_id_of_the_same_source_is_another_customer_who_may_be_the_same(client: httpx.AsyncClient) -> None:
    ann = (await post(client, **ANN)).json()
    answer = await post(client, external_ids=[{"source": "shop", "id": "99"}], emails=["ann@example.com"])
    assert answer.status_code == 201
    assert answer.json()["possible_duplicates"] == [ann["id"]]
    assert answer.json()["emails"] == ["ann@example.com"]


@pytest.mark.parametrize("value", [
    "null", "NULL", "-1", "anonymous", "guest", "unknown", "undefined", "n/a", "0000", "None", " ", " Guest ", "a\nb",
    "a\u0000b",
])  # fmt: skip
async def test_what_stands_for_no_id_identifies_nobody(client: httpx.AsyncClient, value: str) -> None:
    answer = await post(client, external_ids=[{"source": "shop", "id": value}])
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"emails": ["ok@example.com", "not an address"]}, "/emails/1"),
        ({"phones": ["12"]}, "/phones/0"),
        ({"name": "x", "phones": ["020 7183 8750"]}, "/phones/0"),
        ({"name": "x", "country": "XX"}, "/country"),
        ({"name": "x", "time_zone": "Mars/Base"}, "/time_zone"),
        ({"name": "x", "nickname": "y"}, "/nickname"),
        ({"name": 7}, "/name"),
        ({"name": "x", "kind": "robot"}, "/kind"),
        ({"name": "x", "attributes": {"a": [1]}}, "/attributes/a"),
        ({"name": "x", "attributes": {str(n): n for n in range(201)}}, "/attributes"),
        (
            {"name": "x", "consents": [{"channel": "email", "state": "granted", "at": "2999-01-01T00:00:00Z"}]},
            "/consents/0/at",
        ),
        (
            {"name": "x", "consents": [{"channel": "email", "state": "granted", "at": "2020-01-01T00:00:00"}]},
            "/consents/0/at",
        ),
        ({}, ""),
    ],
)
async def test_bad_input_is_refused_with_a_pointer(
    client: httpx.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    answer = await post(client, **body)
    assert answer.status_code == 422
    assert any(error["pointer"].startswith(pointer) for error in answer.json()["errors"])


async def test_records_of_one_customer_at_once_make_one_profile(client: httpx.AsyncClient) -> None:
    body = {"external_ids": [{"source": "shop", "id": "1"}], "emails": ["a@example.com"]}
    answers = await asyncio.gather(*(post(client, **body) for _ in range(10)), *(
        post(client, emails=["a@example.com"]) for _ in range(10)
    ))  # fmt: skip
    assert sorted(answer.status_code for answer in answers)[-1] == 201
    assert [answer.status_code for answer in answers].count(201) <= 2
    listed = (await client.get("/v1/customers")).json()["items"]
    assert {answer.json()["id"] for answer in answers} == {item["id"] for item in listed}
    assert len(listed) == 1


async def test_events_are_free_of_personal_data_but_for_the_contact_topic(
    service: Service, client: httpx.AsyncClient
) -> None:
    await post(client, **(ANN | {"attributes": {"income": 52000, "contract": "One year"}}))
    created, contact = await published(service)
    assert created["type"] == "customer.created.v1"
    assert created["data"]["attributes"] == {"contract": "One year"}
    assert not {"name", "emails", "phones"} & created["data"].keys()
    assert (contact["data"]["name"], contact["data"]["emails"]) == ("Ann Example", ["ann@example.com"])


async def test_personal_data_is_masked_without_the_scope(
    service: Service, client: httpx.AsyncClient, service_client: ClientFor
) -> None:
    customer = (await post(client, **(ANN | {"attributes": {"income": 52000}}))).json()
    async with service_client(service, scopes=("customers:read",)) as reader:
        for path in (f"/v1/customers/{customer['id']}", f"/v1/customers/{customer['id']}/360", "/v1/customers?q=1785"):
            shown = (await reader.get(path)).text
            assert customer["id"] in shown
            assert not any(secret in shown for secret in ("Example", "ann@", "8750", "52000"))
        assert (await reader.get("/v1/customers?q=ann")).json()["items"] == []
        assert (await reader.get(f"/v1/customers/{customer['id']}/export")).status_code == 403


async def test_search_finds_by_part_of_name_address_number_and_id(client: httpx.AsyncClient) -> None:
    ann = (await post(client, **ANN)).json()["id"]
    await post(client, name="Bob_50%", external_ids=[{"source": "shop", "id": "B-1"}])
    for query in ("example", "ANN@", "83875", "785", "an", "Ex", "1"):
        found = (await client.get("/v1/customers", params={"q": query})).json()["items"]
        assert [item["id"] for item in found] == [ann]
    assert [item["name"] for item in (await client.get("/v1/customers", params={"q": "_50%"})).json()["items"]] == [
        "Bob_50%"
    ]


async def test_a_list_is_paged_without_gap_or_repetition(client: httpx.AsyncClient) -> None:
    items = [{"external_ids": [{"source": "shop", "id": f"c{n}"}]} for n in range(25)]
    await client.post("/v1/customers/bulk", json=items)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (await client.get("/v1/customers", params={"limit": 10} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 25


async def test_a_customer_is_read_by_external_id(client: httpx.AsyncClient) -> None:
    await post(client, external_ids=[{"source": "shop", "id": "a/b c"}])
    answer = await client.get("/v1/customers/by-external-id/shop/a%2Fb%20c")
    assert answer.json()["external_ids"] == [{"source": "shop", "id": "a/b c"}]
    assert (await client.get("/v1/customers/by-external-id/shop/none")).status_code == 404


async def test_who_does_not_exist_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("", "/360", "/consents", "/export", "/standing-history"):
        answer = await client.get(f"/v1/customers/{uuid4()}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "customer_does_not_exist")


async def test_a_bulk_request_has_a_result_for_each_item_in_order(client: httpx.AsyncClient) -> None:
    lines = [
        b'{"external_ids": [{"source": "shop", "id": "1"}], "emails": ["a@example.com"]}', b'{"emails": ["nonsense"]}',
        b"{broken", b'{"emails": ["A@example.com"], "name": "Ann"}', b'"text"',
    ]  # fmt: skip
    answer = await client.post(
        "/v1/customers/bulk", content=b"\n".join(lines), headers={"content-type": "application/x-ndjson"}
    )
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 422, 422, 200, 422]
    assert [result["index"] for result in results] == [0, 1, 2, 3, 4]
    assert results[3]["id"] == results[0]["id"]
    assert results[3]["duplicate"] is True
    assert results[1]["error"]["errors"][0]["pointer"] == "/emails/0"
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (2, 3)
    assert (await client.get(f"/v1/customers/{results[0]['id']}")).json()["name"] == "Ann"


async def test_too_many_items_are_refused_as_a_whole(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/customers/bulk", json=[{"name": "x"}] * 5001)
    assert answer.status_code == 413
    assert (await client.get("/v1/customers")).json()["items"] == []


async def test_an_item_of_a_bulk_request_brings_its_consents(service: Service, client: httpx.AsyncClient) -> None:
    item = {
        "external_ids": [{"source": "shop", "id": "1"}],
        "consents": [{"channel": "email", "purpose": "marketing", "state": "granted", "proof": "form 7"}],
    }
    result = (await client.post("/v1/customers/bulk", json=[item, item])).json()["results"][0]
    consents = (await client.get(f"/v1/customers/{result['id']}/consents")).json()
    assert [(one["state"], one["proof"], one["source"]) for one in consents["consents"]] == [
        ("granted", "form 7", "shop")
    ]
    assert (await published_types(service)).count("customer.consent_changed") == 1


async def test_a_profile_known_by_its_bare_id_is_found_by_the_external_id_it_stands_for(
    service: Service, client: httpx.AsyncClient
) -> None:
    customer_id: UUID = customer_id_for(INSTALLATION, "shop", "7")
    async with service.database.write() as session:
        await session.execute(
            text(
                "INSERT INTO customers (id, created_at, updated_at) VALUES (:id, clock_timestamp(), clock_timestamp())"
            ),
            {"id": customer_id},
        )
    answer = await post(client, external_ids=[{"source": "shop", "id": "7"}])
    assert (answer.status_code, answer.json()["id"]) == (200, str(customer_id))
    assert answer.json()["external_ids"] == [{"source": "shop", "id": "7"}]


async def test_another_method_on_bulk_is_not_taken_for_a_customer_of_that_name(client: httpx.AsyncClient) -> None:
    assert (await client.patch("/v1/customers/bulk", json={})).status_code == 405
    assert (await client.get("/v1/customers/not-an-id")).status_code == 404


async def test_the_description_of_the_api_refers_to_nothing_it_lacks(service: Service) -> None:
    described = service.app.openapi()
    schema = described["paths"]["/v1/customers/bulk"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["items"]["$ref"].rsplit("/", 1)[1] in described["components"]["schemas"]
    assert "/v1/customers/{customer_id}" in described["paths"]
