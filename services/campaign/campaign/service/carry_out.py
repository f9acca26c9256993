"""Carrying out what passed every gate: the event that tells of it, and a delivery over the action's channel."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.domain.fan_out import Message
from campaign.domain.playbook import Playbook
from campaign.parts import CampaignParts
from campaign.repository import call_tasks as call_task_rows
from campaign.repository import decisions as decision_rows
from campaign.repository import deliveries as delivery_rows
from campaign.service.fan_out import delivery_row, webhook_rows
from campaign.service.situation import Situation
from chassis.outbox import publish, rows_of
from chassis.trace import use_trace
from contracts.campaign import ActionDecided, DecidedAction
from contracts.event import Money, Reason

if TYPE_CHECKING:
    from campaign.service.decide import Answer


async def carry_out(
    session: AsyncSession, acts: Sequence["Answer"], situation: Situation, parts: CampaignParts
) -> None:
    """Publish and deliver; all of it commits with the decisions or not at all."""
    deliveries: list[dict[str, Any]] = []
    bodies = {}
    events = {}
    for act in acts:
        assert act.playbook is not None
        with use_trace(act.trace):
            event_id = publish(session, _event(act, act.playbook, situation, parts))
            # The partner gets the very envelope that goes to the event log.
            body = rows_of(session)[-1].payload or b""
        events[act.decision_id] = event_id
        message = _message(act, act.playbook, event_id, body)
        mine = _deliveries(act, act.playbook, message, situation, parts)
        deliveries += mine
        if mine:
            bodies[event_id] = body
        if act.playbook.action.channel == "phone":
            await call_task_rows.add_call_task(session, _call_task(act, mine[0], parts))
    await decision_rows.set_events(session, events)
    await delivery_rows.add_deliveries(session, deliveries, bodies, at=parts.clock.system_now())


def _event(act: "Answer", playbook: Playbook, situation: Situation, parts: CampaignParts) -> ActionDecided:
    currency = parts.settings.currency
    offer = situation.offers.get(playbook.action.offer or "")
    return ActionDecided(
        customer_id=act.case.customer_id, decision_id=act.decision_id, alert_id=act.case.alert_id,
        playbook=playbook.name,
        action=DecidedAction(
            channel=playbook.action.channel, offer=playbook.action.offer, offer_name=offer.name if offer else None,
            offer_cost=Money(amount=offer.cost, currency=currency) if offer else None,
            subject=playbook.action.subject, endpoint_id=playbook.action.endpoint_id,
        ),
        probability=act.case.probability, expected_profit=Money(amount=act.verdict.expected_profit, currency=currency),
        reasons=[Reason.model_validate(reason) for reason in act.question.alert["snapshot"]["reasons"]],
        tier=act.case.tier, stage=act.case.stage, decided_at=situation.now,
    )  # fmt: skip


def _message(act: "Answer", playbook: Playbook, event_id: Any, body: bytes) -> Message:
    return Message(
        event_id, ActionDecided.wire_name, body, customer_id=act.case.customer_id, only=playbook.action.endpoint_id,
        decision_id=act.decision_id, alert_id=act.case.alert_id, offer=playbook.action.offer,
    )  # fmt: skip


def _deliveries(
    act: "Answer", playbook: Playbook, message: Message, situation: Situation, parts: CampaignParts
) -> list[dict[str, Any]]:
    """The channel's own delivery first; partners who follow actions are told of it, but do not carry it out."""
    at = parts.clock.system_now()
    told = webhook_rows(message, situation.endpoints, trace=act.trace, at=at)
    channel = playbook.action.channel
    if channel == "webhook":
        return told
    own = delivery_row(message, trace=act.trace, at=at, channel=channel)
    # A person completes a call: no dispatcher may find it due.
    due = {"next_attempt_at": None} if channel == "phone" else {}
    return [own | due, *(row | {"decision_id": None} for row in told)]


def _call_task(act: "Answer", delivery: dict[str, Any], parts: CampaignParts) -> dict[str, Any]:
    return {
        "id": delivery["id"], "decision_id": act.decision_id, "customer_id": act.case.customer_id,
        "expected_profit": act.verdict.expected_profit, "currency": parts.settings.currency,
        "created_at": delivery["created_at"],
    }  # fmt: skip
