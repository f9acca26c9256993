"""Who is who: profiles, merges and their undoing, erasure."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.consumer import Received
from chassis.database import raw_connection
from chassis.outbox import publish
from contracts.customer import CustomerErased, CustomerMerged, CustomerProfile, CustomerUnmerged
from scoring.models import ClearCause
from scoring.parts import ScoringParts
from scoring.repository import activity, alerts, customers, scores
from scoring.service.alert_cases import cleared, told_cleared
from scoring.service.intake import SETTLE


async def keep_profiles(
    session: AsyncSession, received: Sequence[Received[CustomerProfile]], parts: ScoringParts
) -> None:
    """Keep what models need of profiles; whose attributes changed is scored again soon."""
    connection = await raw_connection(session)
    newest: dict[UUID, CustomerProfile] = {}
    for one in received:
        found = newest.get(one.event.customer_id)
        if found is None or found.version < one.event.version:
            newest[one.event.customer_id] = one.event
    for erased in await customers.list_erased(connection, newest):
        del newest[erased]
    if not newest:
        return
    changed = await customers.save_profiles(
        connection,
        [(one.customer_id, one.kind, dict(one.attributes), one.version) for one in newest.values()],
    )
    survivors = await customers.resolve(connection, changed)
    await customers.mark_due(
        connection, set(survivors.values()), due_at=parts.clock.business_now(),
        settled_at=parts.clock.system_now() + SETTLE / 4,
    )  # fmt: skip


async def merge(session: AsyncSession, received: Received[CustomerMerged], parts: ScoringParts) -> None:
    """Count one customer's behaviour as another's from now on; its own buckets stay its own, so it can be undone."""
    connection, event = await raw_connection(session), received.event
    if await customers.list_erased(connection, [event.customer_id, event.into]):
        return
    await customers.lock(connection, [event.customer_id, event.into])
    survivor = await customers.merge(connection, event.customer_id, event.into, merge_id=event.merge_id)
    if survivor is None:
        return
    await _clear_alert(session, event.customer_id, received, parts, cause="merged")
    await scores.delete(connection, [event.customer_id])
    await customers.plan_next_looks(connection, [(event.customer_id, None)])
    await customers.mark_due(connection, [survivor], due_at=parts.clock.business_now())


async def unmerge(session: AsyncSession, received: Received[CustomerUnmerged], parts: ScoringParts) -> None:
    """Make a customer itself again; both are scored from their own behaviour."""
    connection, event = await raw_connection(session), received.event
    survivors = await customers.resolve(connection, [event.into])
    await customers.lock(connection, [event.customer_id, *survivors.values()])
    await customers.unmerge(connection, event.customer_id, merge_id=event.merge_id)
    affected = [event.customer_id, *survivors.values()]
    await customers.mark_due(connection, affected, due_at=parts.clock.business_now())


async def erase(session: AsyncSession, received: Received[CustomerErased], parts: ScoringParts) -> None:
    """Delete all that is held of a customer and of those merged into it."""
    connection, event = await raw_connection(session), received.event
    members = await customers.list_members(connection, [event.customer_id])
    everybody = [event.customer_id, *members.get(event.customer_id, ())]
    await customers.lock(connection, everybody)
    await _clear_alert(session, event.customer_id, received, parts, cause="erased")
    await activity.forget(connection, everybody)
    await scores.delete(connection, everybody)
    await alerts.delete_of(connection, everybody)
    for customer in everybody:
        await customers.erase(connection, customer, erased_at=event.erased_at)


async def _clear_alert(
    session: AsyncSession, customer: UUID, received: Received[Any], parts: ScoringParts, *, cause: ClearCause
) -> None:
    connection = await raw_connection(session)
    alert = (await alerts.list_latest(connection, [customer])).get(customer)
    if alert is None or not alert.is_open:
        return
    now = parts.clock.business_now()
    alert = cleared(alert, cause=cause, at=now)
    await alerts.save(connection, [alert], at=parts.clock.system_now())
    publish(session, told_cleared(alert), cause=received)
