"""Use cases of reading: a customer's timeline and single interactions."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

from chassis.cursors import Page, decode_cursor, encode_cursor
from chassis.database import AsyncReadSession
from contracts.event import Channel, InteractionKind
from interaction.errors import CustomerDoesNotExist, InteractionDoesNotExist
from interaction.refusals import Rules
from interaction.repository import timeline as repository
from interaction.repository.timeline import Filter
from interaction.schemas import Interaction, Money, Terms

_NEWEST = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))


async def get_timeline(
    session: AsyncReadSession, customer_id: UUID, *, wanted: Filter, page: tuple[str | None, int], currency: str
) -> Page[Interaction]:
    """A page of a customer's timeline, newest first; `page` is a cursor and a limit. Raises CustomerDoesNotExist."""
    cursor, limit = page
    before = tuple(decode_cursor(cursor, datetime, UUID)) if cursor else _NEWEST
    family = await repository.get_family(session, customer_id)
    rows = await repository.list_timeline(
        session, family, wanted=wanted, before=(before[0], before[1]), limit=limit + 1
    )  # fmt: skip
    if not rows and not family.is_known and not await repository.has_interactions(session, family.survivor_id):
        raise CustomerDoesNotExist("Nothing is known of a customer with this id.")
    more = len(rows) > limit
    items = [_interaction({**row, "survivor_id": family.survivor_id}, currency) for row in rows[:limit]]
    return Page(items=items, next_cursor=encode_cursor([items[-1].occurred_at, items[-1].id]) if more else None)


async def get_interaction(session: AsyncReadSession, interaction_id: UUID, *, currency: str) -> Interaction:
    """One interaction. Raises InteractionDoesNotExist."""
    row = await repository.find_interaction(session, interaction_id)
    if row is None:
        raise InteractionDoesNotExist("No interaction has this id.")
    return _interaction({**row}, currency)


def terms_of(rules: Rules) -> Terms:
    """What the rules allow, in the form of the API."""
    return Terms(
        currency=rules.currency, currencies=sorted(rules.rates), latest=rules.latest,
        kinds=list(get_args(InteractionKind)), channels=list(get_args(Channel)),
    )  # fmt: skip


def _interaction(row: Mapping[str, Any], currency: str) -> Interaction:
    """A row as it is shown; `customer_id` is the survivor's."""
    amount, margin = row["amount"], row["margin"]
    return Interaction(
        **{name: row[name] for name in _AS_STORED},
        customer_id=row["survivor_id"],
        amount=None if amount is None else Money(amount=amount, currency=row["currency"]),
        margin=None if margin is None else Money(amount=margin, currency=currency),
        lines=_read(row["lines"]) or [],
        properties=_read(row["properties"]) or {},
        updated_at=row["created_at"],
    )


_AS_STORED = (
    "id", "source", "source_id", "channel", "direction", "kind", "occurred_at", "known_at", "cost_to_serve",
    "margin_assumed", "discount", "backfill", "trace_id", "created_at",
)  # fmt: skip


def _read(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
