"""Scores of customers."""

from uuid import UUID

from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, encode_cursor
from chassis.database import raw_connection
from chassis.dependencies import ReadSession, WriteSession, requires
from chassis.jobs import enqueue_job
from chassis.routing import Router
from scoring.parts import PartsDep
from scoring.repository import scores as repository
from scoring.schemas import JobAccepted, Scores
from scoring.service.reading import body_of, scores_of

router = Router(tags=["scoring"])


@router.get("/v1/customers/{id}/scores", dependencies=[requires("scores:read")])
async def get_scores(id: UUID, session: ReadSession, parts: PartsDep) -> Scores:  # noqa: A002
    """Show what is believed of a customer and why; a merged id answers with the survivor."""
    return await scores_of(session, parts, id)


@router.get("/v1/scores", dependencies=[requires("scores:read")])
async def list_scores(
    session: ReadSession, parts: PartsDep, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[Scores]:
    """List the latest score of every customer; reasons are listed for medium and high risks only."""
    after = decode_cursor(cursor, UUID)[0] if cursor else None
    rows = await repository.list_page(await raw_connection(session), after=after, limit=limit + 1)
    following = encode_cursor([rows[limit - 1].customer_id]) if len(rows) > limit else None
    return Page(items=[body_of(row, parts.settings.currency) for row in rows[:limit]], next_cursor=following)


@router.post("/v1/scores/refresh", status_code=202, dependencies=[requires("scores:write")])
async def refresh_scores(session: WriteSession) -> JobAccepted:
    """Score every customer again."""
    return JobAccepted(id=await enqueue_job(session, "refresh_scores"), kind="refresh_scores")
