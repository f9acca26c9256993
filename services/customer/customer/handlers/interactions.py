"""Interactions: who is unknown becomes a profile, and the 360 counts what happened."""

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.consumer import Received
from chassis.database import raw_connection
from contracts.customer import ExternalId
from contracts.event import OWN_TOUCHES
from contracts.identity import stands_for_no_id
from contracts.interaction import HistoryRecorded, HistoryRow, InteractionRecorded
from customer.domain.profile import Key
from customer.handlers.erased import of_the_living
from customer.parts import CustomerParts
from customer.repository import activity, erasure
from customer.service.minting import Stranger, meet

logger = logging.getLogger(__name__)


async def on_interactions_recorded(
    session: AsyncSession, received: Sequence[Received[InteractionRecorded]], parts: CustomerParts
) -> None:
    """Interactions as they happen, or as they became known late."""
    living = [one for one in await of_the_living(session, received) if _is_somebody(one.event)]
    if not living:
        return
    strangers = [
        Stranger(event.customer_id, _key(event.external_id), event.occurred_at, backfill=event.backfill)
        for event in (item.event for item in living)
    ]
    await meet(session, parts, strangers)
    await activity.add_interactions(await raw_connection(session), [_seen(item.event) for item in living])


async def on_history_recorded(
    session: AsyncSession, received: Sequence[Received[HistoryRecorded]], parts: CustomerParts
) -> None:
    """Chunks of the imported past; rows of many customers in no order."""
    connection = await raw_connection(session)
    ids = {row.customer_id for item in received for row in item.event.rows}
    erased = await erasure.erased_at(connection, list(ids))
    chunks = [
        (item.event.currency, [
            row for row in item.event.rows if _is_later(item, erased.get(row.customer_id)) and _is_somebody(row)
        ])
        for item in received
    ]  # fmt: skip
    await meet(session, parts, _strangers([row for _, rows in chunks for row in rows]))
    for currency, rows in chunks:
        if rows:
            await activity.add_interactions(connection, [_seen_before(row, currency) for row in rows])


def _is_somebody(told: InteractionRecorded | HistoryRow) -> bool:
    """Whether it is about one customer: "null" and its like would become a profile of all strangers in one."""
    if told.external_id is None or not stands_for_no_id(told.external_id.id):
        return True
    logger.warning("interaction %s is passed over: its external id stands for no id at all", told.id)
    return False


def _is_later(item: Received[HistoryRecorded], erased_at: datetime | None) -> bool:
    return erased_at is None or item.envelope.time > erased_at


def _strangers(rows: Sequence[HistoryRow]) -> list[Stranger]:
    """A profile knows its external id from the first interaction that named it."""
    return [
        Stranger(row.customer_id, _key(row.external_id), row.occurred_at, backfill=True)
        for row in sorted(rows, key=lambda row: row.occurred_at)
    ]


def _seen_before(row: HistoryRow, currency: str) -> activity.Seen:
    return activity.Seen(
        row.customer_id, row.kind in OWN_TOUCHES, row.occurred_at, row.id, row.channel, None, row.kind, None, None,
        row.amount, None if row.amount is None else currency,
    )  # fmt: skip


def _key(external_id: ExternalId | None) -> Key | None:
    return None if external_id is None else Key("external", external_id.source, external_id.id)


def _seen(event: InteractionRecorded) -> activity.Seen:
    return activity.Seen(
        event.customer_id, event.kind in OWN_TOUCHES, event.occurred_at, event.id, event.channel, event.direction,
        event.kind, event.source, event.source_id, event.amount.amount if event.amount else None,
        event.amount.currency if event.amount else None,
    )  # fmt: skip
