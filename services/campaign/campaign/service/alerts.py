"""Churn alerts: what we know of them, and when they are put to the playbooks."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.parts import CampaignParts
from campaign.repository import alerts as alert_rows
from campaign.repository import customers as customer_rows
from campaign.repository import decisions as decision_rows
from campaign.service.decide import Question, decide
from campaign.service.expire import expire_waiting
from campaign.service.fan_out import fan_out
from chassis.consumer import Received
from contracts.scoring import ChurnAlert, ChurnAlertCleared


async def consider_alerts(
    session: AsyncSession, received: Sequence[Received[ChurnAlert]], parts: CampaignParts
) -> None:
    """Decide about alerts that are new or have changed, then tell partners of them.

    Both in one transaction: whether a customer is in a control group is known before an endpoint could learn of the
    alert. An alert that waits for a snooze or quiet hours to end is only brought up to date; one that was acted on or
    held out is settled.
    """
    newest = _newest(received)
    survivors = await customer_rows.resolve(session, [one.event.customer_id for one in newest])
    # The customer's lock comes first everywhere, the alert's second.
    await customer_rows.lock_customers(session, list(survivors.values()))
    known = await alert_rows.lock_alerts(session, [one.event.alert_id for one in newest])
    fresh = [one for one in newest if _is_newer(one.event, known)]
    rows = [_row(one, parts) for one in fresh]
    await alert_rows.save_alerts(session, rows)
    waiting = await decision_rows.list_waiting(session, [one.event.alert_id for one in fresh])
    questions = [
        Question(row, survivors[one.event.customer_id])
        for one, row in zip(fresh, rows, strict=True)
        if _is_open(one.event, known) and one.event.alert_id not in waiting
    ]
    await decide(session, questions, parts)
    held_out = await alert_rows.list_held_out(session, [one.event.alert_id for one in received])
    await fan_out(session, received, parts, held_out=held_out)


def _newest(received: Sequence[Received[ChurnAlert]]) -> list[Received[ChurnAlert]]:
    """The newest state of each alert in a batch."""
    by_alert: dict[UUID, Received[ChurnAlert]] = {}
    for one in received:
        before = by_alert.get(one.event.alert_id)
        if before is None or before.event.version < one.event.version:
            by_alert[one.event.alert_id] = one
    return list(by_alert.values())


def _is_newer(event: ChurnAlert, known: Mapping[UUID, Mapping[str, Any]]) -> bool:
    return event.alert_id not in known or known[event.alert_id]["version"] < event.version


def _is_open(event: ChurnAlert, known: Mapping[UUID, Mapping[str, Any]]) -> bool:
    return event.alert_id not in known or known[event.alert_id]["state"] == "open"


def _row(one: Received[ChurnAlert], parts: CampaignParts) -> dict[str, Any]:
    envelope = one.envelope
    return {
        "id": one.event.alert_id, "customer_id": one.event.customer_id, "state": "open", "version": one.event.version,
        "held_out": False, "snapshot": one.event.model_dump(mode="json"), "backfill": envelope.backfill,
        "event_id": envelope.id, "traceparent": envelope.traceparent, "correlation_id": envelope.correlationid,
        "updated_at": parts.clock.system_now(),
    }  # fmt: skip


async def clear_alerts(
    session: AsyncSession, received: Sequence[Received[ChurnAlertCleared]], parts: CampaignParts
) -> None:
    """Settle alerts that are over; what waited because of them is not done any more."""
    alert_ids = [one.event.alert_id for one in received]
    survivors = await customer_rows.resolve(session, [one.event.customer_id for one in received])
    await customer_rows.lock_customers(session, list(survivors.values()))
    known = await alert_rows.lock_alerts(session, alert_ids)
    causes = {one.event.alert_id: one.event.cause for one in received if one.event.alert_id in known}
    await expire_waiting(session, {alert_id: f"alert cleared: {cause}" for alert_id, cause in causes.items()}, parts)
    await alert_rows.mark_alerts(session, [one for one in causes if known[one]["state"] == "open"], state="cleared")
    held_out = await alert_rows.list_held_out(session, alert_ids)
    await fan_out(session, received, parts, held_out=held_out)


async def reconsider_due(session: AsyncSession, parts: CampaignParts, *, limit: int) -> int:
    """Decide again about what was deferred until now; returns how many."""
    due = await decision_rows.list_due(session, now=parts.clock.business_now(), limit=limit)
    survivors = await customer_rows.resolve(session, [row["customer_id"] for row in due])
    await customer_rows.lock_customers(session, list(survivors.values()))
    known = await alert_rows.lock_alerts(session, [row["alert_id"] for row in due])
    # Looked at again under the locks: another scheduler may have been faster.
    waiting = await decision_rows.list_waiting(session, list(known))
    questions = [
        Question(known[row["alert_id"]], survivors[row["customer_id"]], waits=row["id"])
        for row in due
        if waiting.get(row["alert_id"]) == row["id"]
    ]
    await decide(session, questions, parts)
    return len(due)
