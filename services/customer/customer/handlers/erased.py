"""What was said before a customer was erased must not bring anything back."""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.consumer import Received
from chassis.database import raw_connection
from contracts.event import CustomerEvent
from customer.repository import erasure

E = TypeVar("E", bound=CustomerEvent)


async def of_the_living(session: AsyncSession, received: Sequence[Received[E]]) -> list[Received[E]]:
    """The events that are not from before their customer's erasure."""
    connection = await raw_connection(session)
    ids: list[UUID] = list({item.event.customer_id for item in received})
    erased = await erasure.erased_at(connection, ids)
    return [
        item
        for item in received
        if item.event.customer_id not in erased or item.envelope.time > erased[item.event.customer_id]
    ]
