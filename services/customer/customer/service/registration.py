"""Records become customers: each is matched to a profile or makes a new one."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from chassis.database import raw_connection
from chassis.outbox import publish
from contracts.identity import customer_id_for
from customer.domain.matching import Book, Placement
from customer.domain.profile import Draft, Key, Profile, changed
from customer.parts import CustomerParts
from customer.repository import locks, profiles
from customer.service import facts
from customer.turns import in_turns


async def register(session: AsyncSession, parts: CustomerParts, drafts: Sequence[Draft]) -> list[Placement]:
    """Match or make a profile for each record, in order; a later record sees what the earlier ones did."""
    connection = await raw_connection(session)
    keys = {key for draft in drafts for key in draft.keys}
    await locks.lock_keys(connection, keys)
    book = await _open_book(connection, parts, keys)
    before = dict(book.profiles)
    placements = [book.place(draft) async for draft in in_turns(drafts)]
    await _write(session, parts, book, before=before)
    return placements


async def _open_book(connection: asyncpg.Connection, parts: CustomerParts, keys: set[Key]) -> Book:
    installation = parts.settings.installation_id
    owners = await profiles.owners_of(connection, keys)
    # An interaction that named a customer by its id alone may have made the profile before its external id was known.
    minted = {customer_id_for(installation, key.source, key.value): key for key in keys - owners.keys() if key.source}
    survivors = await profiles.survivors_of(connection, minted)
    owners |= {minted[customer_id]: survivor for customer_id, survivor in survivors.items()}
    loaded = await profiles.load_locked(connection, set(owners.values()))

    def new_id(draft: Draft) -> UUID:
        external = draft.keys_of("external")
        return customer_id_for(installation, external[0].source, external[0].value) if external else uuid7()

    present = {key: owner for key, owner in owners.items() if owner in loaded}
    return Book(present, loaded, new_id, parts.clock.system_now())


async def _write(session: AsyncSession, parts: CustomerParts, book: Book, *, before: dict[UUID, Profile]) -> None:
    connection = await raw_connection(session)
    new = [book.profiles[customer_id] for customer_id in book.created]
    altered = [changed(book.profiles[known], now=book.now) for known in book.touched if known in before]
    await profiles.add_profiles(connection, new)
    await profiles.save_profiles(connection, altered)
    await profiles.add_identifiers(connection, book.added)
    async for profile in in_turns(new):
        publish(session, facts.created(profile, parts.settings))
        if any(profile.contact):
            publish(session, facts.contact_changed(profile))
    async for profile in in_turns(altered):
        publish(session, facts.updated(profile, parts.settings))
        if profile.contact != before[profile.id].contact:
            publish(session, facts.contact_changed(profile))
