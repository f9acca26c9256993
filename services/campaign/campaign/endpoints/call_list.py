"""The call list over HTTP."""

from decimal import Decimal, InvalidOperation
from uuid import UUID

from campaign.parts import PartsDep
from campaign.repository import call_tasks as call_task_rows
from campaign.repository.customers import list_contacts, resolve
from campaign.repository.query import Row
from campaign.schemas.decisions import CallCompletion, CallView, CompletedCall, call_view
from campaign.service.call_list import complete_call
from chassis.api import Router
from chassis.cursors import DEFAULT_LIMIT, BadCursor, Cursor, Limit, Page, decode_cursor, encode_cursor
from chassis.dependencies import CallerIdentity, ReadSession, WriteSession, requires

router = Router(prefix="/v1/call-list")


@router.get("", dependencies=[requires("campaigns:read")])
async def list_calls(
    session: ReadSession, identity: CallerIdentity, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[CallView]:
    """List customers to call, the most profitable first."""
    rows = await call_task_rows.list_open_call_tasks(session, after=_position(cursor), limit=limit + 1)
    shown = rows[:limit]
    survivors = await resolve(session, [row["customer_id"] for row in shown])
    contacts = await list_contacts(session, list(survivors.values()))
    items = [
        call_view(row, contacts.get(survivors[row["customer_id"]]), shows_contact=identity.may("pii:read"))
        for row in shown
    ]
    following = _cursor(rows[limit - 1]) if len(rows) > limit else None
    return Page(items=[CallView.model_validate(item) for item in items], next_cursor=following)


def _position(cursor: str | None) -> tuple[Decimal, UUID] | None:
    if cursor is None:
        return None
    profit, task_id = decode_cursor(cursor, str, UUID)
    try:
        found = Decimal(profit)
    except InvalidOperation as error:
        raise BadCursor from error
    if not found.is_finite():
        raise BadCursor
    return found, task_id


def _cursor(row: Row) -> str:
    return encode_cursor([format(row["expected_profit"], "f"), row["id"]])


@router.post("/{task_id}/complete", dependencies=[requires("campaigns:write")])
async def complete_call_task(
    task_id: UUID, body: CallCompletion, session: WriteSession, parts: PartsDep, identity: CallerIdentity
) -> CompletedCall:
    """Say how a call went."""
    row = await complete_call(session, task_id, body.model_dump(), parts, by=identity.subject)
    return CompletedCall.model_validate(dict(row))
