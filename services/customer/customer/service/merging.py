"""Two profiles prove to be one person, or prove not to be after all."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from chassis.database import raw_connection
from chassis.outbox import publish
from contracts.customer import CustomerMerged, CustomerUnmerged
from customer.domain.merging import Brought, merge, unmerge
from customer.domain.profile import Identifier, Profile
from customer.errors import CannotMerge, CannotUndoMerge, CustomerDoesNotExist, MergeDoesNotExist
from customer.parts import CustomerParts
from customer.repository import consents, locks, merges, profiles
from customer.service import facts
from customer.service.consenting import tell_changes


async def merge_customers(session: AsyncSession, parts: CustomerParts, *, absorbed: UUID, into: UUID) -> UUID:
    """Have one profile live on in another; returns the merge's id. Merging again what is merged changes nothing."""
    connection = await raw_connection(session)
    await locks.lock_all_keys(connection)
    survivors = await profiles.survivors_of(connection, [absorbed, into])
    for asked in (absorbed, into):
        if asked not in survivors:
            raise CustomerDoesNotExist(f"There is no customer {asked}.")
    target = survivors[into]
    if survivors[absorbed] != absorbed:
        if survivors[absorbed] != target:
            raise CannotMerge(f"{absorbed} lives on in {survivors[absorbed]} already; merge that one, or undo first.")
        in_force = await merges.find_merge_in_force(connection, absorbed)
        assert in_force is not None, absorbed
        return in_force
    if target == absorbed:
        raise CannotMerge("A profile cannot be merged into itself or into one that lives on in it.")
    loaded = await profiles.load_locked(connection, [absorbed, target])
    return await _merge(session, parts, absorbed=loaded[absorbed], survivor=loaded[target])


async def _merge(session: AsyncSession, parts: CustomerParts, *, absorbed: Profile, survivor: Profile) -> UUID:
    connection = await raw_connection(session)
    now, at, merge_id = parts.clock.system_now(), parts.clock.business_now(), uuid7()
    consents_before = await consents.in_force(connection, [survivor.id])
    merged, brought = merge(absorbed, survivor, now=now)
    await profiles.save_profiles(connection, [merged])
    await profiles.replace_identifiers(connection, merged, bare=[absorbed.id])
    await merges.join(connection, absorbed=absorbed.id, survivor=survivor.id)
    record = merges.Merge(merge_id, absorbed.id, survivor.id, "request", brought.as_json(), None)
    await merges.add_merge(connection, record, merged_at=at, created_at=now)
    publish(session, CustomerMerged(
        customer_id=absorbed.id, merge_id=merge_id, into=survivor.id, external_ids=facts.external_ids(absorbed),
        merged_at=at,
    ))  # fmt: skip
    await _tell_survivor(session, parts, before=survivor, after=merged)
    await tell_changes(session, parts, before=consents_before, ids=[survivor.id])
    return merge_id


async def _tell_survivor(session: AsyncSession, parts: CustomerParts, *, before: Profile, after: Profile) -> None:
    publish(session, facts.updated(after, parts.settings))
    if after.contact != before.contact:
        publish(session, facts.contact_changed(after))


async def undo_merge(session: AsyncSession, parts: CustomerParts, merge_id: UUID) -> None:
    """Have a merged profile live by itself again, as it was; undoing again what is undone changes nothing."""
    connection = await raw_connection(session)
    await locks.lock_all_keys(connection)
    found = await merges.find_merge(connection, merge_id)
    if found is None:
        raise MergeDoesNotExist(f"There is no merge {merge_id}.")
    if found.undone_at is not None:
        return
    if found.cause == "identity":
        raise CannotUndoMerge("Both profiles stand for one and the same external id, so they cannot be told apart.")
    loaded = await profiles.load_locked(connection, [found.into_id])
    if not loaded:
        raise CannotUndoMerge(f"{found.into_id} was merged into another profile since; undo that merge first.")
    await _undo(session, parts, found, survivor=loaded[found.into_id])


async def _undo(session: AsyncSession, parts: CustomerParts, found: merges.Merge, *, survivor: Profile) -> None:
    connection = await raw_connection(session)
    now, at = parts.clock.system_now(), parts.clock.business_now()
    brought = Brought.from_json(found.brought)
    consents_before = await consents.in_force(connection, [survivor.id])
    restored = unmerge(survivor, brought, now=now)
    await profiles.save_profiles(connection, [restored])
    await profiles.replace_identifiers(connection, restored)
    identifiers = await _free_identifiers(session, brought)
    await profiles.add_identifiers(connection, [(found.from_id, one, place) for place, one in enumerate(identifiers)])
    await merges.part(connection, absorbed=found.from_id)
    await merges.mark_undone(connection, found.id, undone_at=at, now=now)
    again = (await profiles.load_locked(connection, [found.from_id]))[found.from_id]
    publish(session, CustomerUnmerged(
        customer_id=again.id, merge_id=found.id, into=survivor.id, external_ids=facts.external_ids(again),
        unmerged_at=at,
    ))  # fmt: skip
    publish(session, facts.updated(again, parts.settings))
    publish(session, facts.contact_changed(again))
    await _tell_survivor(session, parts, before=survivor, after=restored)
    await tell_changes(session, parts, before=consents_before, ids=[survivor.id])


async def _free_identifiers(session: AsyncSession, brought: Brought) -> list[Identifier]:
    """The identifiers a profile had; one that somebody else goes by in the meantime does not identify it any more."""
    connection = await raw_connection(session)
    taken = await profiles.owners_of(connection, [one.key for one in brought.identifiers])
    return [Identifier(one.key, one.identifying and one.key not in taken, one.origin) for one in brought.identifiers]
