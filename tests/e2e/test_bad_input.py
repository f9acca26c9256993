"""What senders get wrong, over the real gateway: each is refused with a clear problem, and nothing is lost for it."""

import http.client
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.support.platform import NOON, PlatformProcess

pytestmark = pytest.mark.xdist_group("bad-input")

HUNDRED_MEGABYTES = 100_000_000
JSON = {"content-type": "application/json"}


def purchase(**changes: Any) -> dict[str, Any]:
    body = {
        "source": "shop", "source_id": str(uuid4()), "customer": {"source": "shop", "external_id": "17850"},
        "channel": "web", "kind": "purchase", "occurred_at": NOON.isoformat(),
        "amount": {"amount": "15.30", "currency": "EUR"},
    }  # fmt: skip
    return body | changes


@pytest.fixture
async def client(platform: PlatformProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with platform.client() as client:
        yield client


def require_problem(
    answer: httpx.Response, status: int, *, code: str | None = None, pointer: str | None = None
) -> None:
    """The answer is a complete problem, names the place, and shows no stack trace."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert told["title"]
    assert told["detail"]
    assert told["code"]
    assert len(told["trace_id"]) == 32
    assert "Traceback" not in answer.text
    assert code in (None, told["code"])
    if pointer is not None:
        assert pointer in [error["pointer"] for error in told["errors"]], told


WRONG = [
    pytest.param({"occurred_at": (NOON + timedelta(days=2)).isoformat()}, "/occurred_at", id="a date in the future"),
    pytest.param({"occurred_at": "2026-06-10T12:00:00"}, "/occurred_at", id="a time without a zone"),
    pytest.param({"amount": {"amount": "-1", "currency": "EUR"}}, "/amount/amount", id="a negative amount"),
    pytest.param({"amount": {"amount": "1", "currency": "XQQ"}}, "/amount/currency", id="no such currency"),
    pytest.param({"amount": {"amount": "1", "currency": "GBP"}}, "/amount/currency", id="a currency without a rate"),
    pytest.param({"amount": {"amount": [], "currency": "EUR"}}, "/amount/amount", id="a wrong type"),
    pytest.param({"kind": "theft"}, "/kind", id="an unknown kind"),
    pytest.param({"colour": "red"}, "/colour", id="an unknown field"),
    pytest.param({"source_id": ""}, "/source_id", id="an empty id"),
    pytest.param({"customer": {}}, "/customer", id="a customer without a name"),
]


@pytest.mark.parametrize(("changes", "pointer"), WRONG)
async def test_a_wrong_interaction_is_refused_where_it_is_wrong(
    client: httpx.AsyncClient, changes: dict[str, Any], pointer: str
) -> None:
    body = purchase(**changes)
    require_problem(await client.post("/v1/interactions", json=body), 422, pointer=pointer)
    # Put right, the same id is taken: the refusal has left nothing behind.
    right = purchase(source_id=body["source_id"] or str(uuid4()))
    assert (await client.post("/v1/interactions", json=right)).json()["duplicate"] is False


@pytest.mark.parametrize("path", ["/v1/interactions", "/v1/customers", "/v1/webhooks/endpoints"])
@pytest.mark.parametrize("body", [b'{"kind": ', b"\xff\xfe", b"kind=person", b""])
async def test_what_is_not_json_is_refused(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    answer = await client.post(path, content=body, headers=JSON)
    require_problem(answer, answer.status_code)
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"kind": "robot"}, "/kind"),
        ({"kind": "person", "emails": "a@example.com"}, "/emails"),
        ({"kind": "person", "favourite": 1}, "/favourite"),
        ({"kind": "person", "external_ids": [{"source": "shop"}]}, "/external_ids/0/id"),
    ],
)
async def test_a_wrong_profile_is_refused_where_it_is_wrong(
    client: httpx.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    require_problem(await client.post("/v1/customers", json=body), 422, pointer=pointer)


@pytest.mark.parametrize("path", ["/v1/interactions", "/v1/interactions/bulk", "/v1/customers"])
def test_a_body_of_100_megabytes_is_refused_before_it_is_read(platform: PlatformProcess, path: str) -> None:
    status, told = send_large(platform, path, announced=True)
    assert (status, told["status"]) == (413, 413)
    assert told["detail"]


@pytest.mark.parametrize("path", ["/v1/interactions", "/v1/interactions/bulk", "/v1/customers"])
def test_a_body_without_end_is_refused_when_it_has_become_too_large(platform: PlatformProcess, path: str) -> None:
    status, told = send_large(platform, path, announced=False)
    assert (status, told["status"]) == (413, 413)


def send_large(platform: PlatformProcess, path: str, *, announced: bool) -> tuple[int, dict[str, Any]]:
    """Send 100 MB until the platform has had enough; returns its answer."""
    connection = http.client.HTTPConnection(urlsplit(platform.url).netloc, timeout=60)
    connection.putrequest("POST", path)
    connection.putheader("authorization", f"Bearer {platform.key}")
    connection.putheader("content-type", "application/json")
    if announced:
        connection.putheader("content-length", str(HUNDRED_MEGABYTES))
    else:
        connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()
    piece = b"[" * 100_000
    chunk = piece if announced else b"%x\r\n%s\r\n" % (len(piece), piece)
    try:
        for _ in range(HUNDRED_MEGABYTES // len(piece)):
            connection.send(chunk)
    except (BrokenPipeError, ConnectionResetError):
        # It has answered and hung up.
        pass
    answer = connection.getresponse()
    told: dict[str, Any] = json.loads(answer.read())
    connection.close()
    return answer.status, told


async def test_an_unknown_customer_is_not_found(client: httpx.AsyncClient) -> None:
    for path in (f"/v1/customers/{uuid4()}", f"/v1/customers/{uuid4()}/360", f"/v1/customers/{uuid4()}/scores"):
        require_problem(await client.get(path), 404)
    require_problem(await client.get("/v1/customers/by-external-id/shop/nobody"), 404)


async def test_an_unknown_customer_of_an_interaction_becomes_a_profile(
    client: httpx.AsyncClient, platform: PlatformProcess
) -> None:
    body = purchase(customer={"source": "shop", "external_id": "a stranger"})
    told = (await client.post("/v1/interactions", json=body)).json()
    await platform.settle()
    profile = await client.get("/v1/customers/by-external-id/shop/a%20stranger")
    assert profile.json()["id"] == told["customer_id"]


async def test_the_same_id_with_another_body_changes_nothing_and_says_so(client: httpx.AsyncClient) -> None:
    body = purchase()
    first = (await client.post("/v1/interactions", json=body)).json()
    other = body | {"amount": {"amount": "99.00", "currency": "EUR"}}
    second = (await client.post("/v1/interactions", json=other)).json()
    assert second == first | {"duplicate": True, "differs": True}
    kept = (await client.get(f"/v1/interactions/{first['id']}")).json()
    assert kept["amount"] == {"amount": "15.30", "currency": "EUR"}


async def test_the_same_idempotency_key_with_another_body_is_refused(client: httpx.AsyncClient) -> None:
    key = {"idempotency-key": str(uuid4())}
    assert (await client.post("/v1/customers", json={"name": "Ada"}, headers=key)).status_code == 201
    again = await client.post("/v1/customers", json={"name": "Grace"}, headers=key)
    require_problem(again, 422, code="idempotency_key_reused")


async def test_a_broken_item_of_a_batch_takes_no_other_with_it(client: httpx.AsyncClient) -> None:
    lines = [json.dumps(purchase()), "{broken", json.dumps(purchase(kind="theft")), json.dumps(purchase())]
    answer = await client.post(
        "/v1/interactions/bulk", content="\n".join(lines), headers={"content-type": "application/x-ndjson"}
    )
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["rejected"]) == (200, 2, 2)
    assert [result["status"] for result in told["results"]] == [202, 400, 422, 202]
    assert told["results"][2]["error"]["errors"][0]["pointer"] == "/kind"


async def test_more_items_than_a_batch_may_hold_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/interactions/bulk", content=b"{}\n" * 5_001, headers=JSON)
    require_problem(answer, 413)


async def test_a_model_that_was_never_trained_scores_from_a_prior_and_says_so(
    client: httpx.AsyncClient, platform: PlatformProcess
) -> None:
    body = purchase(customer={"source": "shop", "external_id": "early bird"})
    customer_id = (await client.post("/v1/interactions", json=body)).json()["customer_id"]
    await platform.settle()
    scores = (await client.get(f"/v1/customers/{customer_id}/scores")).json()
    assert "prior" in scores["churn"]["model"]
    assert 0 < scores["churn"]["probability"] < 1
    assert scores["churn"]["reasons"]


async def test_a_model_that_does_not_exist_is_not_found(client: httpx.AsyncClient) -> None:
    require_problem(await client.get(f"/v1/models/{uuid4()}"), 404)
    answer = await client.post("/v1/models/horoscope/train", json={})
    require_problem(answer, answer.status_code)
    assert answer.status_code in (404, 422)


async def test_an_unknown_query_parameter_is_refused_by_name(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/customers", params={"tear": "gold"})
    require_problem(answer, 400, code="unknown_parameter")
    assert "tear" in answer.text


async def test_a_private_webhook_address_is_refused(client: httpx.AsyncClient) -> None:
    terms = {"url": "http://10.0.0.1/hooks", "event_types": ["scoring.*"]}
    require_problem(await client.post("/v1/webhooks/endpoints", json=terms), 422)


@pytest.mark.parametrize("key", [None, "Bearer nonsense", "Basic YTpi", "Bearer stv_aaaaaaaaaaaa.bbbb"])
async def test_who_has_no_key_is_not_let_in(platform: PlatformProcess, key: str | None) -> None:
    headers = {} if key is None else {"authorization": key}
    async with httpx.AsyncClient(base_url=platform.url, trust_env=False, verify=False) as stranger:
        answer = await stranger.get("/v1/customers", headers=headers)
    require_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_nothing_of_it_reached_a_dead_letter(client: httpx.AsyncClient, platform: PlatformProcess) -> None:
    await platform.settle()
    assert (await client.get("/v1/dead-letters")).json()["items"] == []
