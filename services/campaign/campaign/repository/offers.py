"""Offers."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.errors import OfferDoesNotExist
from campaign.repository.query import Row, fetch_all, fetch_one

_COLUMNS = "key, id, name, kind, cost, currency, save_rate, active, version, created_at, updated_at"


async def add_offer_if_new(session: AsyncSession, offer: dict[str, Any]) -> Row | None:
    """Add an offer; None where its key is taken."""
    return await fetch_one(
        session,
        "INSERT INTO offers (key, id, name, kind, cost, currency, save_rate, active, created_at, updated_at) VALUES "
        "(:key, :id, :name, :kind, :cost, :currency, :save_rate, :active, :at, :at) ON CONFLICT (key) DO NOTHING "
        f"RETURNING {_COLUMNS}",
        **offer,
    )


async def get_offer(session: AsyncSession, key: str, *, lock: bool = False) -> Row:
    """One offer. Raises OfferDoesNotExist."""
    suffix = " FOR UPDATE" if lock else ""
    found = await fetch_one(session, f"SELECT {_COLUMNS} FROM offers WHERE key = :key{suffix}", key=key)
    if found is None:
        raise OfferDoesNotExist(f"There is no offer with the key {key!r}.")
    return found


async def save_offer(session: AsyncSession, offer: dict[str, Any]) -> Row:
    """Write an offer that the caller has locked, as its next version."""
    saved = await fetch_one(
        session,
        "UPDATE offers SET name = :name, kind = :kind, cost = :cost, currency = :currency, save_rate = :save_rate, "
        f"active = :active, version = version + 1, updated_at = :at WHERE key = :key RETURNING {_COLUMNS}",
        **offer,
    )
    assert saved is not None
    return saved


async def list_offers(session: AsyncSession, *, after_key: str, limit: int) -> Sequence[Row]:
    """A page of offers by key."""
    return await fetch_all(
        session,
        f"SELECT {_COLUMNS} FROM offers WHERE key > :after ORDER BY key LIMIT :limit",
        after=after_key,
        limit=limit,
    )


async def list_offers_by_key(session: AsyncSession, keys: Sequence[str]) -> Sequence[Row]:
    """The offers among these keys that exist."""
    return await fetch_all(session, f"SELECT {_COLUMNS} FROM offers WHERE key = ANY(:keys)", keys=list(keys))
