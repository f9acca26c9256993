"""Playbooks over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Body

from campaign.endpoints.versions import Versions
from campaign.errors import PlaybookDoesNotExist
from campaign.merge_patch import patched
from campaign.parts import PartsDep
from campaign.repository import playbooks as playbook_rows
from campaign.schemas.playbooks import PlaybookTerms, PlaybookView, playbook_view, terms_of
from campaign.service.playbooks import add_playbook, change_playbook
from chassis.api import Router
from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, encode_cursor
from chassis.dependencies import ReadSession, WriteSession, requires

router = Router(prefix="/v1/playbooks")


@router.post("", status_code=201, dependencies=[requires("campaigns:write")])
async def create_playbook(
    body: PlaybookTerms, session: WriteSession, parts: PartsDep, versions: Versions
) -> PlaybookView:
    """Add a playbook; it is asked about every alert from now on."""
    row = await add_playbook(session, body, parts)
    versions.tell(row["version"])
    return playbook_view(row)


@router.get("", dependencies=[requires("campaigns:read")])
async def list_playbooks(
    session: ReadSession, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[PlaybookView]:
    """List playbooks, the oldest first."""
    after = decode_cursor(cursor, UUID)[0] if cursor else None
    rows = await playbook_rows.list_playbooks(session, after=after, limit=limit + 1)
    following = encode_cursor([rows[limit - 1]["id"]]) if len(rows) > limit else None
    return Page(items=[playbook_view(row) for row in rows[:limit]], next_cursor=following)


@router.get("/{playbook_id}", dependencies=[requires("campaigns:read")])
async def get_playbook(playbook_id: UUID, session: ReadSession, versions: Versions) -> PlaybookView:
    """Read a playbook."""
    row = await playbook_rows.get_playbook(session, playbook_id)
    versions.tell(row["version"])
    return playbook_view(row)


@router.patch("/{playbook_id}", dependencies=[requires("campaigns:write")])
async def update_playbook(
    playbook_id: UUID,
    body: Annotated[dict[str, Any], Body()],
    versions: Versions,
    session: WriteSession,
    parts: PartsDep,
) -> PlaybookView:
    """Change a playbook (JSON Merge Patch); its control group stays the same customers."""
    row = await playbook_rows.get_playbook(session, playbook_id, lock=True)
    versions.require(row["version"])
    saved = await change_playbook(session, playbook_id, patched(terms_of(row), body), parts)
    versions.tell(saved["version"])
    return playbook_view(saved)


@router.delete("/{playbook_id}", status_code=204, dependencies=[requires("campaigns:write")])
async def delete_playbook(playbook_id: UUID, session: WriteSession) -> None:
    """Delete a playbook; the decisions it led to stay."""
    if not await playbook_rows.delete_playbook(session, playbook_id):
        raise PlaybookDoesNotExist(f"There is no playbook {playbook_id}.")
