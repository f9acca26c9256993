"""Operators see what was buried and decide over HTTP what becomes of it."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chassis import dead_letters
from chassis.clock import SystemClock
from chassis.consumer import Received
from chassis.database import Database
from chassis.event_log import StoredRecord, open_event_log
from chassis.outbox import envelope_row
from chassis.service import Service, assemble
from chassis.settings import Settings
from chassis.trace import new_trace
from contracts.customer import ContactChanged
from contracts.scoring import ModelPromoted
from tests.conftest import SECRET, ClientFor

ANNA = UUID("01890000-0000-7000-8000-000000000001")


class Parts:
    """What the handler of this test does."""

    def __init__(self) -> None:
        self.applied: list[str] = []
        self.broken = False


async def on_model_promoted(_session: AsyncSession, received: Sequence[Received[Any]], parts: Parts) -> None:
    if parts.broken:
        raise ValueError("still broken")
    parts.applied.extend(item.event.model for item in received)


@pytest.fixture
async def service(scratch_database: Database) -> AsyncIterator[Service]:
    made = assemble(
        name="scratch", settings=Settings(_env_file=None, secret_key=SECRET), parts=Parts(), database=scratch_database,
        event_log=open_event_log(scratch_database.url), clock=SystemClock(), routers=[],
        subscriptions={ModelPromoted: on_model_promoted},
    )  # fmt: skip
    yield made
    await made.event_log.close()


@pytest.fixture
async def client(service: Service, service_client: ClientFor) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(service, scopes=("ops",)) as made:
        yield made


async def bury(service: Service, event: Any) -> str:
    row = envelope_row(event, source="test", trace=new_trace())
    record = StoredRecord(row.topic, 0, 0, row.key, row.payload)
    await dead_letters.bury(service.database, "scratch", record, error=ValueError("broken"))
    async with service.database.read() as session:
        return str(await session.scalar(text("SELECT id FROM dead_letters ORDER BY buried_at DESC LIMIT 1")))


def promoted(model: str) -> ModelPromoted:
    return ModelPromoted(model=model, kind="churn", promoted_at="2026-01-01T00:00:00Z")  # type: ignore[arg-type]


async def test_buried_events_are_listed_by_pages_oldest_first(client: httpx.AsyncClient, service: Service) -> None:
    buried = [await bury(service, promoted(f"churn/{number}")) for number in range(5)]
    first = (await client.get("/v1/dead-letters?limit=3")).json()
    second = (await client.get("/v1/dead-letters", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [letter["id"] for letter in [*first["items"], *second["items"]]] == buried
    assert second["next_cursor"] is None
    assert first["items"][0]["event_type"] == "scoring.model_promoted.v1"
    assert first["items"][0]["service"] == "scratch"


async def test_a_buried_event_is_shown_with_its_envelope(client: httpx.AsyncClient, service: Service) -> None:
    letter = (await client.get(f"/v1/dead-letters/{await bury(service, promoted('churn/1'))}")).json()
    assert letter["event"]["data"]["model"] == "churn/1"
    assert letter["error"] == "ValueError: broken"


async def test_contact_data_is_shown_only_to_who_may_see_it(
    client: httpx.AsyncClient, service: Service, service_client: ClientFor
) -> None:
    letter_id = await bury(service, ContactChanged(customer_id=ANNA, emails=["anna@example.com"], version=1))
    assert "anna@" not in (await client.get(f"/v1/dead-letters/{letter_id}")).text
    async with service_client(service, scopes=("ops", "pii:read")) as trusted:
        assert "anna@" in (await trusted.get(f"/v1/dead-letters/{letter_id}")).text


async def test_a_replay_applies_the_event_and_only_once(client: httpx.AsyncClient, service: Service) -> None:
    letter_id = await bury(service, promoted("churn/1"))
    replayed = await client.post(f"/v1/dead-letters/{letter_id}/replay")
    assert replayed.json() == {"id": letter_id, "state": "replayed", "applied": 1}
    again = await client.post(f"/v1/dead-letters/{letter_id}/replay")
    assert (again.status_code, again.json()["code"]) == (404, "dead_letter_does_not_exist")
    assert service.parts.applied == ["churn/1"]


async def test_a_replay_that_fails_says_why_and_leaves_the_event_buried(
    client: httpx.AsyncClient, service: Service
) -> None:
    service.parts.broken = True
    letter_id = await bury(service, promoted("churn/1"))
    failed = await client.post(f"/v1/dead-letters/{letter_id}/replay")
    assert (failed.status_code, failed.json()["code"]) == (409, "replay_failed")
    assert "still broken" in failed.json()["detail"]
    assert (await client.get(f"/v1/dead-letters/{letter_id}")).json()["state"] == "buried"


async def test_a_discarded_event_is_never_applied(client: httpx.AsyncClient, service: Service) -> None:
    letter_id = await bury(service, promoted("churn/1"))
    discarded = await client.post(f"/v1/dead-letters/{letter_id}/discard")
    assert discarded.json() == {"id": letter_id, "state": "discarded", "applied": 0}
    assert (await client.get("/v1/dead-letters")).json()["items"] == []
    assert service.parts.applied == []


async def test_the_time_on_the_wall_cannot_be_set(service: Service, service_client: ClientFor) -> None:
    async with service_client(service) as admin:
        response = await admin.put("/internal/clock", json={"at": "2020-01-01T00:00:00Z"})
    assert (response.status_code, response.json()["code"]) == (409, "clock_is_not_virtual")
