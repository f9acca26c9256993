"""Use cases: recording what happened, reading it back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.clock import Clock
from chassis.database import Database, raw_connection
from contracts.identity import customer_id_for
from interaction.encoding import OutboxRecord, history_rows, recorded_row
from interaction.entries import Entry, Outcome
from interaction.metrics import DIFFERING, DUPLICATES, RECORDED
from interaction.refusals import CLOCK_SKEW, Rules
from interaction.repository import recording
from interaction.settings import InteractionSettings
from interaction.writer import Writer


@dataclass(frozen=True)
class InteractionParts:
    """What the use cases of this service work with."""

    settings: InteractionSettings
    database: Database
    clock: Clock
    writer: Writer

    def rules(self, *, not_before: datetime | None = None) -> Rules:
        """The rules of acceptance at this moment, or at a later one that is known to have come."""
        settings = self.settings
        rates = {**settings.fx_rates, settings.currency: Decimal(1)}
        now = self.clock.business_now()
        now = max(now, not_before or now)
        return Rules(settings.currency, rates, settings.margin_rate, now, now + CLOCK_SKEW)


async def record(session: AsyncSession, entries: Sequence[Entry], settings: InteractionSettings) -> list[Outcome]:
    """Record entries and publish the new ones, in the session's transaction; an outcome for each, in order.

    History travels in chunks, everything else as one event each.
    """
    connection = await raw_connection(session)
    await _resolve(connection, entries, settings.installation_id)
    fresh, outcomes = await _claim(connection, entries)
    if fresh:
        await recording.add_interactions(connection, fresh)
        await recording.add_outbox(connection, _events(fresh, settings.currency))
        backfilled = sum(entry.body.backfill for entry in fresh)
        RECORDED.labels("true").inc(backfilled)
        RECORDED.labels("false").inc(len(fresh) - backfilled)
    return outcomes


def _events(entries: Sequence[Entry], currency: str) -> list[OutboxRecord]:
    at = datetime.now(UTC)
    rows = [recorded_row(entry, at) for entry in entries if not entry.body.backfill]
    return rows + history_rows((entry for entry in entries if entry.body.backfill), currency, at)


async def _resolve(connection: asyncpg.Connection, entries: Sequence[Entry], installation_id: UUID) -> None:
    """Give each entry its customer; who is unknown gets the id that every service would mint."""
    keys = {_external_key(entry) for entry in entries if entry.body.customer.id is None}
    found = await recording.find_identities(connection, list(keys)) if keys else {}
    minted = {key: customer_id_for(installation_id, *key) for key in keys if key not in found}
    if minted:
        await recording.add_identities(connection, minted)
    loose = {entry.body.customer.id for entry in entries if entry.body.customer.id is not None} | set(minted.values())
    survivors = await recording.find_survivors(connection, loose) if loose else {}
    for entry in entries:
        given = entry.body.customer.id
        if given is None and (identity := found.get(_external_key(entry))) is not None:
            entry.customer_id, entry.survivor_id = identity
        else:
            entry.customer_id = given or minted[_external_key(entry)]
            entry.survivor_id = survivors.get(entry.customer_id, entry.customer_id)


def _external_key(entry: Entry) -> tuple[str, str]:
    customer = entry.body.customer
    return customer.source or "", customer.external_id or ""


async def _claim(connection: asyncpg.Connection, entries: Sequence[Entry]) -> tuple[list[Entry], list[Outcome]]:
    """Split entries into those that are new, and tell the outcome of each."""
    first: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        first.setdefault(entry.key, entry)
    candidates = list(first.values())
    holders: dict[tuple[str, str], recording.Claim] = {}
    if not await recording.claim(connection, candidates):
        holders = await recording.find_claims(connection, candidates)
        candidates = [entry for entry in candidates if holders[entry.key].interaction_id == entry.id]
    elif len(first) == len(entries):
        return candidates, [Outcome(entry.id, _survivor(entry), False) for entry in entries]
    fresh = {entry.id for entry in candidates}
    survivors = await recording.find_survivors(
        connection, {one.customer_id for one in holders.values() if one.customer_id}
    )
    outcomes = []
    for entry in entries:
        if entry.id in fresh:
            outcomes.append(Outcome(entry.id, _survivor(entry), False))
            continue
        holder = holders.get(entry.key) or recording.Claim(
            first[entry.key].id, first[entry.key].digest, first[entry.key].survivor_id
        )
        outcomes.append(_duplicate(entry, holder, survivors))
    return candidates, outcomes


def _duplicate(entry: Entry, holder: recording.Claim, survivors: dict[UUID, UUID]) -> Outcome:
    DUPLICATES.inc()
    differs = holder.body_hash != entry.digest
    if differs:
        DIFFERING.inc()
    customer_id = holder.customer_id or _survivor(entry)
    return Outcome(
        holder.interaction_id, survivors.get(customer_id, customer_id), True, differs or None
    )  # fmt: skip


def _survivor(entry: Entry) -> UUID:
    if entry.survivor_id is None:
        raise ValueError("the entry's customer was not resolved")
    return entry.survivor_id
