"""The alert policy in force and its change."""

from dataclasses import asdict

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import raw_connection
from scoring.domain.alerts import AlertPolicy
from scoring.parts import ScoringParts
from scoring.repository import customers, policy


async def policy_of(connection: asyncpg.Connection, *, lock: bool = False) -> tuple[AlertPolicy, int]:
    """(policy, version); the defaults are version 0."""
    found = await policy.find(connection, lock=lock)
    return (AlertPolicy(), 0) if found is None else (AlertPolicy(**found[0]), found[1])


async def change_policy(session: AsyncSession, parts: ScoringParts, changed: AlertPolicy, *, version: int) -> bool:
    """Put a policy in force as the next version and have everybody judged by it; False when another was faster."""
    connection = await raw_connection(session)
    if not await policy.save(connection, asdict(changed), version=version, at=parts.clock.system_now()):
        return False
    await customers.mark_all_due(connection, due_at=parts.clock.business_now())
    return True
