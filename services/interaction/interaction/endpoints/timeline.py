"""Reading what happened."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import AwareDatetime

from chassis.api import Router
from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page
from chassis.dependencies import ReadSession, parts_of, requires
from contracts.event import Channel, InteractionKind
from interaction.repository.timeline import Filter
from interaction.schemas import Interaction, Terms
from interaction.service import InteractionParts
from interaction.timeline import get_interaction, get_timeline, terms_of

Parts = Annotated[InteractionParts, Depends(parts_of)]
router = Router()


async def wanted_part(
    since: Annotated[AwareDatetime | None, Query(description="Only what happened at or after this moment")] = None,
    kind: InteractionKind | None = None,
    channel: Channel | None = None,
) -> Filter:
    """What part of a timeline is asked for."""
    return Filter(since, kind, channel)


async def wanted_page(cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> tuple[str | None, int]:
    """Which page is asked for."""
    return cursor, limit


@router.get("/v1/interactions/terms", dependencies=[requires()])
async def read_terms(parts: Parts) -> Terms:
    """What an interaction may say at this moment: kinds, channels, currencies, and the time it may not be after."""
    return terms_of(parts.rules())


@router.get("/v1/interactions/{interaction_id}", dependencies=[requires("interactions:read")])
async def read_interaction(interaction_id: UUID, session: ReadSession, parts: Parts) -> Interaction:
    """One interaction as it was stored."""
    return await get_interaction(session, interaction_id, currency=parts.settings.currency)


@router.get("/v1/customers/{customer_id}/interactions", dependencies=[requires("interactions:read")])
async def list_customer_interactions(
    customer_id: UUID,
    session: ReadSession,
    parts: Parts,
    wanted: Annotated[Filter, Depends(wanted_part)],
    page: Annotated[tuple[str | None, int], Depends(wanted_page)],
) -> Page[Interaction]:
    """A customer's timeline, newest first; for a merged customer that of the survivor."""
    return await get_timeline(session, customer_id, wanted=wanted, page=page, currency=parts.settings.currency)
