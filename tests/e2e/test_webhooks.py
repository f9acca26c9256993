"""A stranger's receiver, built on PyPI's `standardwebhooks` alone, is told of what happens."""

from typing import Any

import httpx
import pytest

from tests.e2e.receiver import Receiver
from tests.support.eventually import eventually
from tests.support.platform import NOON, PlatformProcess

pytestmark = pytest.mark.xdist_group("webhooks")


def visit(source_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "source": "shop", "source_id": source_id, "customer": {"source": "shop", "external_id": "17850"},
        "channel": "store", "kind": "visit", "occurred_at": NOON.isoformat(),
    } | changes  # fmt: skip


async def subscribe(client: httpx.AsyncClient, receiver: Receiver, **terms: Any) -> dict[str, Any]:
    answer = await client.post(
        "/v1/webhooks/endpoints", json={"url": receiver.url, "event_types": ["interaction.recorded.*"]} | terms
    )
    assert answer.status_code == 201, answer.text
    receiver.secret = answer.json()["secret"]
    endpoint: dict[str, Any] = answer.json()
    return endpoint


async def test_a_stranger_can_verify_what_it_is_sent(platform: PlatformProcess) -> None:
    with Receiver() as receiver:
        async with platform.client() as client:
            await subscribe(client, receiver)
            told = (await client.post("/v1/interactions", json=visit("verified"))).json()
        events = await eventually(lambda: receiver.received("interaction.recorded.v1"))
    assert [event["id"] for event in events] == [told["id"]]
    assert receiver.refused == []
    assert set(receiver.copies.values()) == {1}


async def test_a_failed_delivery_comes_again_under_the_same_id(platform: PlatformProcess) -> None:
    with Receiver() as receiver:
        async with platform.client() as client:
            endpoint = await subscribe(client, receiver)
            receiver.answers = [503]
            await client.post("/v1/interactions", json=visit("retried"))
            await eventually(lambda: receiver.copies, within_seconds=30)
            (message_id,) = receiver.copies

            async def recorded() -> Any:
                listed = await client.get("/v1/webhooks/deliveries", params={"endpoint_id": endpoint["id"]})
                (delivery,) = listed.json()["items"]
                return delivery if delivery["state"] == "succeeded" else None

            delivery = await eventually(recorded)
    assert delivery["event_id"] == message_id
    assert [attempt["status"] for attempt in delivery["attempts"]] == [503, 204]


async def test_a_wrong_secret_is_noticed_and_rotation_repairs_it(platform: PlatformProcess) -> None:
    with Receiver() as receiver:
        async with platform.client() as client:
            endpoint = await subscribe(client, receiver)
            right, receiver.secret = receiver.secret, "whsec_" + "A" * 32
            await client.post("/v1/interactions", json=visit("forged"))
            await eventually(lambda: receiver.refused)
            assert receiver.copies == {}
            rotated = await client.post(f"/v1/webhooks/endpoints/{endpoint['id']}/rotate")
            receiver.secret = rotated.json()["secret"]
            assert receiver.secret != right
            await eventually(lambda: receiver.copies, within_seconds=30)


async def test_history_is_not_news(platform: PlatformProcess) -> None:
    with Receiver() as receiver:
        async with platform.client() as client:
            await subscribe(client, receiver, payload="thin")
            await client.post("/v1/interactions", json=visit("long-ago", backfill=True))
            await platform.settle()
            await client.post("/v1/interactions", json=visit("just-now"))
            await eventually(lambda: receiver.copies)
            await platform.settle()
    assert len(receiver.copies) == 1
    (event,) = receiver.events.values()
    assert "data" not in event
