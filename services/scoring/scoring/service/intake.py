"""Taking behaviour in: interactions of now and of the past become daily buckets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.consumer import Received
from chassis.database import raw_connection
from contracts.event import OWN_TOUCHES, Money
from contracts.interaction import Facts, HistoryRecorded, HistoryRow, InteractionRecorded
from scoring.domain.activity import Occurrence, bucket_days, increments_of
from scoring.parts import ScoringParts
from scoring.repository import activity, alerts, customers

# An import comes in chunks; whoever it touches is scored when it has been quiet for so long.
SETTLE = timedelta(seconds=2)

Increment = tuple[activity.BucketKey, Sequence[float]]


async def take_live(
    session: AsyncSession, received: Sequence[Received[InteractionRecorded]], parts: ScoringParts
) -> dict[UUID, Received[InteractionRecorded]]:
    """Fold what happened now; what came late or as backfill is folded too, and scored with the history.

    Returns whom it gives reason to score now, under the survivor's id, each with the last event that did.
    """
    connection = await raw_connection(session)
    erased = await customers.list_erased(connection, {one.event.customer_id for one in received})
    wanted = [one for one in received if one.event.customer_id not in erased]
    signs = [one for one in wanted if one.event.kind not in OWN_TOUCHES]
    survivors = await customers.lock_survivors(connection, {one.event.customer_id for one in wanted})
    await activity.fold(connection, (_increment(one.event, parts) for one in signs))
    await _keep_margins(session, [_margin_of(one.event) for one in signs])
    acted = [
        one.event.facts.alert_id for one in wanted if one.event.kind == "campaign_touch" and one.event.facts.alert_id
    ]
    await alerts.mark_acted(connection, acted, at=parts.clock.system_now())
    news = [one for one in signs if _is_news(one.event, parts)]
    await _mark_history(session, {one.event.customer_id for one in signs if not _is_news(one.event, parts)}, parts)
    return {survivors[one.event.customer_id]: one for one in news}


async def take_history(
    session: AsyncSession, received: Sequence[Received[HistoryRecorded]], parts: ScoringParts
) -> None:
    """Fold chunks of the past, in whatever order they come; whoever is in them is scored when they have settled."""
    connection = await raw_connection(session)
    rows = [row for one in received for row in one.event.rows if row.kind not in OWN_TOUCHES]
    erased = await customers.list_erased(connection, {row.customer_id for row in rows})
    rows = [row for row in rows if row.customer_id not in erased]
    await customers.lock(connection, {row.customer_id for row in rows})
    await activity.fold(connection, (_history_increment(row) for row in rows))
    await _keep_margins(session, [_margin_of(row) for row in rows])
    await _mark_history(session, {row.customer_id for row in rows}, parts)


@dataclass(frozen=True, slots=True)
class _Margin:
    customer_id: UUID
    assumed: bool
    subscription: tuple[Any, ...] | None


def _margin_of(row: InteractionRecorded | HistoryRow) -> _Margin:
    subscription = None
    if row.kind == "subscription":
        plan = (row.facts and row.facts.plan) or ""
        subscription = (row.id, row.customer_id, plan, _float(row.margin), row.occurred_at)
    return _Margin(row.customer_id, row.margin_assumed and row.margin is not None, subscription)


async def _keep_margins(session: AsyncSession, margins: Sequence[_Margin]) -> None:
    connection = await raw_connection(session)
    await activity.add_subscriptions(connection, [one.subscription for one in margins if one.subscription is not None])
    await customers.mark_margin_assumed(connection, {one.customer_id for one in margins if one.assumed})


async def _mark_history(session: AsyncSession, touched: Iterable[UUID], parts: ScoringParts) -> None:
    touched = set(touched)
    if not touched:
        return
    connection = await raw_connection(session)
    survivors = await customers.resolve(connection, touched)
    settled_at = parts.clock.system_now() + SETTLE
    await customers.mark_due(
        connection, set(survivors.values()), due_at=parts.clock.business_now(), settled_at=settled_at
    )


def _is_news(event: InteractionRecorded, parts: ScoringParts) -> bool:
    return not event.backfill and parts.clock.business_now() - event.occurred_at <= parts.settings.news_window


def _increment(event: InteractionRecorded, parts: ScoringParts) -> Increment:
    day, known_day = bucket_days(event.occurred_at, event.known_at, backfill=event.backfill)
    counted = increments_of(
        Occurrence(
            kind=event.kind,
            amount=_amount(event.amount, parts),
            margin=_float(event.margin),
            discount=_float(event.discount),
            item_count=len(event.lines),
            severity=event.facts.severity,
            days_late=event.facts.days_late,
            rating=event.facts.rating,
        )
    )
    assert counted is not None, "own touches are left out before"
    return (event.customer_id, day, known_day), counted


def _history_increment(row: HistoryRow) -> Increment:
    day, known_day = bucket_days(row.occurred_at, row.occurred_at, backfill=True)
    facts = row.facts or Facts()
    counted = increments_of(
        Occurrence(
            kind=row.kind,
            amount=_float(row.amount),
            margin=_float(row.margin),
            discount=_float(row.discount),
            item_count=len(row.products),
            severity=facts.severity,
            days_late=facts.days_late,
            rating=facts.rating,
        )
    )
    assert counted is not None, "own touches are left out before"
    return (row.customer_id, day, known_day), counted


def _amount(money: Money | None, parts: ScoringParts) -> float:
    """In the reporting currency; interaction has refused currencies without a rate."""
    if money is None:
        return 0.0
    rate = Decimal(1) if money.currency == parts.settings.currency else parts.settings.fx_rates[money.currency]
    return float(money.amount * rate)


def _float(value: Decimal | None) -> float:
    return 0.0 if value is None else float(value)
