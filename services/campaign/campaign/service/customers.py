"""Local copies of customers, kept from their events; only the fields that deciding and reaching them need."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.parts import CampaignParts
from campaign.repository import alerts as alert_rows
from campaign.repository import call_tasks as call_task_rows
from campaign.repository import customers as customer_rows
from campaign.repository import deliveries as delivery_rows
from campaign.service.expire import expire_waiting
from chassis.consumer import Received
from contracts.customer import (
    ConsentChanged,
    ContactChanged,
    CustomerErased,
    CustomerMerged,
    CustomerProfile,
    CustomerUnmerged,
)
from contracts.scoring import CustomerScored


def _newest(received: Sequence[Received[Any]], key: str = "customer_id") -> list[Any]:
    """The newest event of each customer (or other key) in a batch, in one order for all."""
    newest: dict[Any, Any] = {}
    for one in received:
        name = tuple(getattr(one.event, part) for part in key.split("+"))
        if name not in newest or newest[name].version < one.event.version:
            newest[name] = one.event
    return [newest[name] for name in sorted(newest)]


async def keep_profiles(session: AsyncSession, received: Sequence[Received[CustomerProfile]]) -> None:
    """Keep customers' time zones."""
    await customer_rows.save_profiles(session, [event.model_dump() for event in _newest(received)])


async def keep_scores(session: AsyncSession, received: Sequence[Received[CustomerScored]]) -> None:
    """Keep the newest tier, stage and probability."""
    await customer_rows.save_scores(session, [event.model_dump() for event in _newest(received)])


async def keep_consents(session: AsyncSession, received: Sequence[Received[ConsentChanged]]) -> None:
    """Keep consents."""
    events = _newest(received, "customer_id+channel+purpose")
    await customer_rows.save_consents(session, [event.model_dump() for event in events])


async def keep_contacts(session: AsyncSession, received: Sequence[Received[ContactChanged]]) -> None:
    """Keep the first e-mail address and telephone number."""
    contacts = [
        {
            "customer_id": event.customer_id, "name": event.name, "email": next(iter(event.emails), None),
            "phone": next(iter(event.phones), None), "version": event.version,
        }
        for event in _newest(received)
    ]  # fmt: skip
    await customer_rows.save_contacts(session, contacts)


async def merge(session: AsyncSession, received: Sequence[Received[CustomerMerged]]) -> None:
    """Have merged ids stand for their survivors from now on: decisions, caps and control groups follow."""
    for one in received:
        await customer_rows.add_alias(session, one.event.customer_id, lives_on_as=one.event.into)


async def unmerge(session: AsyncSession, received: Sequence[Received[CustomerUnmerged]]) -> None:
    """Have an id stand for itself again."""
    for one in received:
        await customer_rows.remove_alias(session, one.event.customer_id)


async def erase(session: AsyncSession, received: Sequence[Received[CustomerErased]], parts: CampaignParts) -> None:
    """Forget customers and give up what waits for them; nothing is sent to or about them any more."""
    for one in received:
        await _erase(session, one.event.customer_id, parts)


async def _erase(session: AsyncSession, customer_id: UUID, parts: CampaignParts) -> None:
    at = parts.clock.system_now()
    await customer_rows.lock_customers(session, [customer_id])
    alert_ids = await alert_rows.list_open_alerts_of(session, customer_id)
    await expire_waiting(session, dict.fromkeys(alert_ids, "customer erased"), parts)
    await alert_rows.mark_alerts(session, alert_ids, state="cleared")
    # That the customer was erased is the one thing partners still have to hear.
    await delivery_rows.fail_pending(session, at=at, customer_id=customer_id, keep_types=[CustomerErased.wire_name])
    await delivery_rows.forget_responses(session, customer_id)
    await call_task_rows.close_call_tasks_of(session, customer_id, at=at)
    await customer_rows.erase(session, customer_id, at=at)
