"""What a caller may see: a partner's key its own endpoints, an administrator's all."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from campaign.repository.query import Row
from campaign.repository.webhook_endpoints import get_endpoint
from chassis.dependencies import CallerIdentity, WriteSession
from chassis.identity import ADMIN, Identity


def owner_of(identity: Identity) -> str | None:
    """Whose endpoints the caller sees; None for all."""
    return None if ADMIN in identity.scopes else identity.subject


async def locked_endpoint(endpoint_id: UUID, session: WriteSession, identity: CallerIdentity) -> Row:
    """The endpoint a path names, locked for a change."""
    return await get_endpoint(session, endpoint_id, owner=owner_of(identity), lock=True)


LockedEndpoint = Annotated[Row, Depends(locked_endpoint, scope="function")]
