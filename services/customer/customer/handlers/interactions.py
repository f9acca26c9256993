"""Interactions: who is unknown becomes a profile, and the 360 counts what happened."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.consumer import Received
from chassis.database import raw_connection
from contracts.customer import ExternalId
from contracts.event import OWN_TOUCHES
from contracts.interaction import HistoryRecorded, InteractionRecorded
from customer.domain.profile import Key
from customer.handlers.erased import of_the_living
from customer.parts import CustomerParts
from customer.repository import activity, erasure
from customer.service.minting import Stranger, meet


async def on_interactions_recorded(
    session: AsyncSession, received: Sequence[Received[InteractionRecorded]], parts: CustomerParts
) -> None:
    """Interactions as they happen, or as they became known late."""
    living = await of_the_living(session, received)
    if not living:
        return
    for backfill in (True, False):
        events = [item.event for item in living if item.event.backfill is backfill]
        strangers = [Stranger(event.customer_id, _key(event.external_id), event.occurred_at) for event in events]
        await meet(session, parts, strangers, backfill=backfill)
    await activity.add_interactions(await raw_connection(session), [_seen(item.event) for item in living])


async def on_history_recorded(
    session: AsyncSession, received: Sequence[Received[HistoryRecorded]], parts: CustomerParts
) -> None:
    """Chunks of the imported past; rows of many customers in no order."""
    for item in received:
        await _take_in_chunk(session, item, parts)


async def _take_in_chunk(session: AsyncSession, item: Received[HistoryRecorded], parts: CustomerParts) -> None:
    connection = await raw_connection(session)
    erased = await erasure.erased_at(connection, list({row.customer_id for row in item.event.rows}))
    rows = [
        row for row in item.event.rows if row.customer_id not in erased or item.envelope.time > erased[row.customer_id]
    ]
    if not rows:
        return
    # A profile knows its external id from the first interaction that named it.
    first = {row.customer_id: row for row in sorted(rows, key=lambda row: row.occurred_at, reverse=True)}
    strangers = [Stranger(row.customer_id, _key(row.external_id), row.occurred_at) for row in first.values()]
    await meet(session, parts, strangers, backfill=True)
    await activity.add_interactions(connection, [
        activity.Seen(
            row.customer_id, row.kind in OWN_TOUCHES, row.occurred_at, row.id, row.channel, None, row.kind, None, None,
            row.amount, None if row.amount is None else item.event.currency,
        )
        for row in rows
    ])  # fmt: skip


def _key(external_id: ExternalId | None) -> Key | None:
    return None if external_id is None else Key("external", external_id.source, external_id.id)


def _seen(event: InteractionRecorded) -> activity.Seen:
    return activity.Seen(
        event.customer_id, event.kind in OWN_TOUCHES, event.occurred_at, event.id, event.channel, event.direction,
        event.kind, event.source, event.source_id, event.amount.amount if event.amount else None,
        event.amount.currency if event.amount else None,
    )  # fmt: skip
