"""Two profiles that are one customer, and the way back."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.api import Router
from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, encode_cursor
from chassis.database import raw_connection
from chassis.dependencies import ReadSession, WriteSession, requires
from customer.endpoints.answers import json_answer
from customer.errors import MergeDoesNotExist
from customer.parts import Parts
from customer.repository import merges
from customer.schemas import Merge, MergeBody
from customer.service.merging import merge_customers, undo_merge

router = Router(prefix="/v1")


@router.post("/customers/{customer_id}/merge", response_model=Merge, dependencies=[requires("customers:write")])
async def merge_customer(customer_id: UUID, body: MergeBody, session: WriteSession, parts: Parts) -> Response:
    """Have a profile live on in another one, which gets what it lacks; nothing is lost and the merge can be undone."""
    merge_id = await merge_customers(session, parts, absorbed=customer_id, into=body.into)
    return await _answer(session, merge_id)


@router.post("/merges/{merge_id}/undo", response_model=Merge, dependencies=[requires("customers:write")])
async def undo(merge_id: UUID, session: WriteSession, parts: Parts) -> Response:
    """Have a merged profile live by itself again, exactly as it was."""
    await undo_merge(session, parts, merge_id)
    return await _answer(session, merge_id)


@router.get("/merges/{merge_id}", response_model=Merge, dependencies=[requires("customers:read")])
async def read_merge(merge_id: UUID, session: ReadSession) -> Response:
    """Read a merge."""
    return await _answer(session, merge_id)


@router.get("/merges", response_model=Page[Merge], dependencies=[requires("customers:read")])
async def list_merges(
    session: ReadSession,
    customer_id: Annotated[UUID | None, Query(description="Merges from or into this customer")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List merges, the newest first."""
    after = tuple(decode_cursor(cursor, datetime, UUID)) if cursor else None
    rows = await merges.list_merges(
        await raw_connection(session), customer_id=customer_id, after=after, limit=limit + 1
    )
    shown = rows[:limit]
    following = encode_cursor([shown[-1]["created_at"], shown[-1]["id"]]) if len(rows) > limit else None
    quoted = "null" if following is None else f'"{following}"'
    return json_answer(f'{{"items":[{",".join(row["body"] for row in shown)}],"next_cursor":{quoted}}}')


async def _answer(session: AsyncSession, merge_id: UUID) -> Response:
    body = await merges.read_merge(await raw_connection(session), merge_id)
    if body is None:
        raise MergeDoesNotExist(f"There is no merge {merge_id}.")
    return json_answer(body)
