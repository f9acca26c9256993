"""E-mail and calls: other ways an action reaches a customer."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from email import message_from_bytes
from typing import Any
from uuid import UUID, uuid4

import pytest

from campaign.app import build
from campaign.settings import CampaignSettings
from chassis.clock import SystemClock
from chassis.service import Service
from contracts.customer import CustomerErased
from tests.conftest import ClientFor, SettingsFor
from tests.support.campaign import NOON, OFFER, alert, consent, contact, created, handle, listed, playbook
from tests.support.eventually import eventually

BODY = "Dear {{ customer.name }}, take {{ offer.name }}: {% for reason in reasons %}{{ reason.text }}{% endfor %}"


class Mailbox:
    """What an SMTP server received; it refuses at first if told to."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.refusals: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Take a message."""
        if self.refusals:
            return self.refusals.pop(0)
        self.messages.append(message_from_bytes(envelope.content))
        return "250 taken"


@pytest.fixture
async def mailbox() -> AsyncIterator[tuple[Mailbox, int]]:
    box = Mailbox()
    loop = asyncio.get_running_loop()
    from aiosmtpd.smtp import SMTP

    server = await loop.create_server(lambda: SMTP(box, loop=loop), "127.0.0.1", 0)
    yield box, server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.fixture
async def service(settings_for: SettingsFor, mailbox: tuple[Mailbox, int]) -> AsyncIterator[Service]:
    settings = await settings_for(
        CampaignSettings, smtp_url=f"smtp://127.0.0.1:{mailbox[1]}", smtp_from="Shop <shop@example.com>",
        news_window=timedelta(days=36500), webhook_schedule="0,0.01",
    )  # fmt: skip
    service = build(settings, clock=SystemClock())
    async with service.running():
        yield service


async def email_sent_to(service: Service, client: Any, customer_id: UUID) -> None:
    await created(client, "/v1/offers", OFFER)
    action = {"channel": "email", "offer": "save-10", "subject": "For {{ customer.name }}", "body": BODY}
    await created(client, "/v1/playbooks", playbook(action=action))
    await handle(service, contact(customer_id), consent(customer_id, "email"), alert(customer_id))


async def test_an_email_says_what_the_playbook_says(
    service: Service, service_client: ClientFor, mailbox: tuple[Mailbox, int]
) -> None:
    box, _ = mailbox
    async with service_client(service) as client:
        await email_sent_to(service, client, uuid4())
        await eventually(lambda: box.messages)
        act = (await listed(client, "/v1/actions"))[0]
        await eventually(lambda: delivered(client, act["id"], "succeeded"))
    message = box.messages[0]
    assert (message["To"], message["Subject"]) == ("ada@example.com", "For Ada")
    assert message["Message-ID"] == f"<{act['deliveries'][0]['id']}@example.com>"
    assert message.get_payload().strip() == "Dear Ada, take 10 % off: 73 days of silence"


async def delivered(client: Any, decision_id: str, state: str) -> bool:
    story = (await client.get(f"/v1/decisions/{decision_id}")).json()
    return any(delivery["state"] == state for delivery in story["deliveries"])


async def test_a_mail_server_that_is_busy_is_asked_again(
    service: Service, service_client: ClientFor, mailbox: tuple[Mailbox, int]
) -> None:
    box, _ = mailbox
    box.refusals = ["451 later"]
    async with service_client(service) as client:
        await email_sent_to(service, client, uuid4())
        await eventually(lambda: box.messages)


async def test_a_mailbox_that_does_not_exist_is_given_up(
    service: Service, service_client: ClientFor, mailbox: tuple[Mailbox, int]
) -> None:
    box, _ = mailbox
    box.refusals = ["550 nobody here"] * 5
    async with service_client(service) as client:
        await email_sent_to(service, client, uuid4())
        act = (await listed(client, "/v1/actions"))[0]
        await eventually(lambda: delivered(client, act["id"], "failed"))
    assert len(box.refusals) == 4


async def test_who_has_no_address_is_not_acted_on(service: Service, service_client: ClientFor) -> None:
    async with service_client(service) as client:
        await created(client, "/v1/offers", OFFER)
        await created(client, "/v1/playbooks", playbook(action={"channel": "email", "offer": "save-10"}))
        raised = alert()
        await handle(service, consent(raised.customer_id, "email"), raised)
        decision = (await listed(client, "/v1/decisions"))[0]
    assert [gate["gate"] for gate in decision["gates"] if not gate["passed"]] == ["reach"]


async def call_listed_for(service: Service, client: Any, *margins: int) -> list[dict[str, Any]]:
    await created(client, "/v1/offers", OFFER)
    await created(client, "/v1/playbooks", playbook(action={"channel": "phone", "offer": "save-10"}))
    for probability in margins:
        customer_id = uuid4()
        raised = alert(customer_id, probability=probability / 100)
        await handle(service, contact(customer_id), consent(customer_id, "phone"), raised)
    return await listed(client, "/v1/call-list")


async def test_the_most_profitable_call_comes_first(service: Service, service_client: ClientFor) -> None:
    async with service_client(service) as client:
        calls = await call_listed_for(service, client, 30, 90, 60)
        assert [call["expected_profit"]["amount"] for call in calls] == ["33.00", "21.00", "9.00"]
        assert calls[0]["phone"] == "+442071838750"
        first = (await client.get("/v1/call-list?limit=2")).json()
        rest = (await client.get(f"/v1/call-list?limit=2&cursor={first['next_cursor']}")).json()
        assert [call["id"] for call in first["items"] + rest["items"]] == [call["id"] for call in calls]


async def test_contact_points_are_for_those_who_may_see_them(service: Service, service_client: ClientFor) -> None:
    async with service_client(service) as client, service_client(service, scopes=("campaigns:read",)) as reader:
        await call_listed_for(service, client, 50)
        call = (await listed(reader, "/v1/call-list"))[0]
    assert (call["name"], call["phone"]) == (None, None)


async def test_a_completed_call_leaves_the_list_and_is_told_once(service: Service, service_client: ClientFor) -> None:
    async with service_client(service) as client:
        call = (await call_listed_for(service, client, 50))[0]
        path = f"/v1/call-list/{call['id']}/complete"
        answer = await client.post(path, json={"outcome": "accepted", "note": "will stay"})
        assert (answer.status_code, answer.json()["completed_by"]) == (200, "test")
        assert (await client.post(path, json={"outcome": "declined"})).status_code == 409
        assert await listed(client, "/v1/call-list") == []
        assert await delivered(client, call["decision_id"], "succeeded")


async def test_the_erased_are_not_called(service: Service, service_client: ClientFor) -> None:
    async with service_client(service) as client:
        call = (await call_listed_for(service, client, 50))[0]
        await handle(service, CustomerErased(customer_id=UUID(call["customer_id"]), erased_at=NOON))
        assert await listed(client, "/v1/call-list") == []
