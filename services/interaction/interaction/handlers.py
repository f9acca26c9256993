"""What other services tell us: who a customer is, and what our own actions did."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.consumer import Received, Subscriptions
from chassis.database import raw_connection
from chassis.trace import trace_from
from contracts.campaign import ActionDecided, DeliveryFailed, DeliverySucceeded
from contracts.customer import (
    CustomerCreated,
    CustomerErased,
    CustomerMerged,
    CustomerProfile,
    CustomerUnmerged,
    CustomerUpdated,
)
from contracts.event import InteractionKind
from interaction.acceptance import appraise
from interaction.bodies import CustomerReference, InteractionBody
from interaction.domain.aliases import Merge
from interaction.domain.touches import OWN_SOURCE, channel_of
from interaction.entries import Entry
from interaction.repository import customers
from interaction.service import InteractionParts, record


async def on_customers_changed(
    session: AsyncSession, received: Sequence[Received[CustomerProfile]], parts: InteractionParts
) -> None:
    """Keep the map from external ids to customers."""
    connection = await raw_connection(session)
    await customers.add_customers(connection, [one.event.customer_id for one in received])
    owners = {
        (external.source, external.id): one.event.customer_id
        for one in received
        for external in one.event.external_ids
    }  # fmt: skip
    if owners:
        await customers.save_identities(connection, owners)


async def on_customers_merged(
    session: AsyncSession, received: Sequence[Received[CustomerMerged]], parts: InteractionParts
) -> None:
    """Have merged customers live on in others."""
    connection = await raw_connection(session)
    await customers.lock_merges(connection)
    for one in received:
        merge = Merge(one.event.customer_id, one.event.into, one.event.merged_at)
        await customers.save_merge(connection, merge, one.event.merge_id)
    await customers.resolve_survivors(connection, [one.event.customer_id for one in received])


async def on_customers_unmerged(
    session: AsyncSession, received: Sequence[Received[CustomerUnmerged]], parts: InteractionParts
) -> None:
    """Have customers be themselves again, with their own external ids."""
    connection = await raw_connection(session)
    await customers.lock_merges(connection)
    for one in received:
        await customers.remove_merge(connection, one.event.customer_id)
        owners = {(external.source, external.id): one.event.customer_id for external in one.event.external_ids}
        await customers.save_identities(connection, owners)
    everyone = [one.event.customer_id for one in received] + [one.event.into for one in received]
    await customers.resolve_survivors(connection, everyone)


async def on_customers_erased(
    session: AsyncSession, received: Sequence[Received[CustomerErased]], parts: InteractionParts
) -> None:
    """Forget customers."""
    connection = await raw_connection(session)
    for one in received:
        await customers.erase(connection, one.event.customer_id, one.event.erased_at)


async def on_actions_decided(
    session: AsyncSession, received: Sequence[Received[ActionDecided]], parts: InteractionParts
) -> None:
    """Show what we decided to do in the customer's timeline."""
    touches = [
        _touch(
            one, parts, kind="campaign_touch", source_id=str(one.event.decision_id), means=one.event.action.channel,
            at=one.event.decided_at,
            properties={"playbook": one.event.playbook, "offer": one.event.action.offer},
        )
        for one in received
    ]  # fmt: skip
    await _record_own(session, touches, parts)


async def on_deliveries_succeeded(
    session: AsyncSession, received: Sequence[Received[DeliverySucceeded]], parts: InteractionParts
) -> None:
    """Show that a message arrived."""
    receipts = [
        _touch(
            one, parts, kind="delivery_receipt", source_id=str(one.event.delivery_id), means=one.event.channel,
            at=one.event.delivered_at, properties={"outcome": "succeeded", "offer": one.event.offer},
        )
        for one in received
    ]  # fmt: skip
    await _record_own(session, receipts, parts)


async def on_deliveries_failed(
    session: AsyncSession, received: Sequence[Received[DeliveryFailed]], parts: InteractionParts
) -> None:
    """Show that a message was given up; a later resend may still succeed, so the two have different source ids."""
    receipts = [
        _touch(
            one, parts, kind="delivery_receipt", source_id=f"{one.event.delivery_id}:failed", means=one.event.channel,
            at=one.event.failed_at, properties={"outcome": "failed"},
        )
        for one in received
    ]  # fmt: skip
    await _record_own(session, receipts, parts)


def _touch(
    received: Received[Any], parts: InteractionParts, *, at: datetime, properties: dict[str, Any], **fields: str
) -> Entry:
    event, envelope = received.event, received.envelope
    ids = {name: getattr(event, name, None) for name in ("alert_id", "decision_id", "delivery_id")}
    told = {name: value for name, value in {**ids, **properties}.items() if value is not None}
    body = InteractionBody(
        source=OWN_SOURCE, source_id=fields["source_id"], customer=CustomerReference(id=event.customer_id),
        channel=channel_of(fields["means"]), kind=cast(InteractionKind, fields["kind"]), occurred_at=at,
        direction="outbound", properties=msgspec.to_builtins(told),
    )  # fmt: skip
    trace = trace_from(envelope.traceparent, envelope.correlationid, envelope.id)
    # Our own clock may run behind the one that dated the event; what we did ourselves is never in the future.
    rules = parts.rules(not_before=at)
    return appraise(body, rules, trace=trace)


async def _record_own(session: AsyncSession, entries: Sequence[Entry], parts: InteractionParts) -> None:
    connection = await raw_connection(session)
    customer_ids: list[UUID] = [entry.body.customer.id for entry in entries if entry.body.customer.id is not None]
    erased = await customers.find_erased(connection, customer_ids)
    remaining = [entry for entry in entries if entry.body.customer.id not in erased]
    if remaining:
        await record(session, remaining, parts.settings)


SUBSCRIPTIONS: Subscriptions = {
    CustomerCreated: on_customers_changed,
    CustomerUpdated: on_customers_changed,
    CustomerMerged: on_customers_merged,
    CustomerUnmerged: on_customers_unmerged,
    CustomerErased: on_customers_erased,
    ActionDecided: on_actions_decided,
    DeliverySucceeded: on_deliveries_succeeded,
    DeliveryFailed: on_deliveries_failed,
}
