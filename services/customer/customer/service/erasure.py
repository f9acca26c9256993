"""The right to be forgotten: everything about a customer is deleted, and every service is told to do the same."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import raw_connection
from chassis.dead_letters import purge_key
from chassis.jobs import JobHandle, enqueue_job
from chassis.outbox import publish, publish_tombstone
from contracts.customer import ContactChanged, CustomerErased
from customer.errors import CustomerDoesNotExist
from customer.parts import CustomerParts
from customer.repository import erasure, locks, profiles

JOB_KIND = "erase_customer"


async def request_erasure(session: AsyncSession, customer_id: UUID) -> UUID:
    """Queue the erasure of a customer and of all who were merged into them; returns the job's id."""
    connection = await raw_connection(session)
    survivor = await profiles.find_survivor(connection, customer_id)
    if survivor is None:
        raise CustomerDoesNotExist(f"There is no customer {customer_id}.")
    return await enqueue_job(session, JOB_KIND, {"customer_id": str(survivor)})


async def erase_customer(job: JobHandle, parts: CustomerParts) -> dict[str, Any]:
    """The job: erase and return the receipt. Erasing again finds nothing and says so."""
    async with parts.database.write() as session:
        return await _erase(session, parts, UUID(job.parameters["customer_id"]))


async def _erase(session: AsyncSession, parts: CustomerParts, customer_id: UUID) -> dict[str, Any]:
    connection = await raw_connection(session)
    await locks.lock_all_keys(connection)
    survivor = await profiles.find_survivor(connection, customer_id) or customer_id
    members = await erasure.members_of(connection, survivor)
    erased_at = parts.clock.system_now()
    deleted = await erasure.delete_rows(connection, members, erased_at=erased_at)
    for member in members:
        await purge_key(session, str(member))
        publish(session, CustomerErased(customer_id=member, erased_at=erased_at))
        publish_tombstone(session, ContactChanged.topic, str(member))
    return {
        "customer_id": str(customer_id),
        "erased_ids": [str(member) for member in members],
        "erased_at": erased_at.isoformat(),
        "deleted": deleted,
    }
