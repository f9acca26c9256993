"""What customers allow: every statement is kept, the latest counts, and only a change of state is told."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import raw_connection
from chassis.outbox import publish
from contracts.customer import ConsentChanged
from customer.domain.consents import Consent, Statement, time_of
from customer.errors import CustomerDoesNotExist
from customer.parts import CustomerParts
from customer.repository import consents, profiles
from customer.turns import in_turns

_NEVER_ASKED = "unknown"


async def record_statements(
    session: AsyncSession, parts: CustomerParts, said: Sequence[tuple[UUID, Statement]]
) -> None:
    """Record what customers said; the customers exist and are nobody's merged selves."""
    if not said:
        return
    connection = await raw_connection(session)
    ids = {customer_id for customer_id, _ in said}
    before = await consents.in_force(connection, ids)
    now = parts.clock.business_now()
    dated = []
    for customer_id, one in said:
        in_force = before.get((customer_id, one.channel, one.purpose))
        dated.append(consents.Dated(customer_id, one, time_of(one, in_force, now=now)))
    await consents.record(connection, dated, recorded_at=parts.clock.system_now())
    await tell_changes(session, parts, before=before, ids=ids)


async def tell_changes(
    session: AsyncSession, parts: CustomerParts, *, before: dict[consents.Topic, Consent], ids: Collection[UUID]
) -> None:
    """Publish each consent that is in another state than it was before."""
    connection = await raw_connection(session)
    after = await consents.in_force(connection, ids)
    changes = {
        topic: after.get(topic)
        for topic in before.keys() | after.keys()
        if _state(before.get(topic)) != _state(after.get(topic))
    }
    versions = await profiles.bump_versions(connection, {topic[0] for topic in changes})
    async for (customer_id, channel, purpose), consent in in_turns(sorted(changes.items(), key=lambda one: one[0])):
        publish(session, ConsentChanged(
            customer_id=customer_id, channel=channel, purpose=purpose, state=_state(consent),
            changed_at=consent.at if consent else parts.clock.business_now(), version=versions[customer_id],
        ))  # fmt: skip


def _state(consent: Consent | None) -> str:
    return consent.state if consent else _NEVER_ASKED


async def put_consents(
    session: AsyncSession, parts: CustomerParts, customer_id: UUID, *, statements: Sequence[Statement]
) -> None:
    """Record what one customer said."""
    connection = await raw_connection(session)
    survivor = await profiles.find_survivor(connection, customer_id)
    locked = await profiles.load_locked(connection, [survivor] if survivor else [])
    if not locked:
        raise CustomerDoesNotExist(f"There is no customer {customer_id}.")
    await record_statements(session, parts, [(one, statement) for one in locked for statement in statements])
