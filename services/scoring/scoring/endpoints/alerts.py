"""Churn alerts and what people do with them."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from chassis.cursors import BadCursor, Page, decode_cursor, encode_cursor
from chassis.database import raw_connection
from chassis.dependencies import CallerIdentity, ReadSession, WriteSession, requires
from chassis.routing import Router
from contracts.event import Money
from scoring.errors import AlertDoesNotExist
from scoring.models import AlertRow
from scoring.parts import PartsDep
from scoring.repository import alerts as repository
from scoring.schemas import Alert, AlertQuery, Assign, Dismiss, Note, Snooze
from scoring.service import alert_work

router = Router(tags=["scoring"])


@router.get("/v1/alerts", dependencies=[requires("scores:read")])
async def list_alerts(session: ReadSession, parts: PartsDep, query: Annotated[AlertQuery, Query()]) -> Page[Alert]:
    """List alerts, the most profitable first unless asked otherwise."""
    rows = await repository.list_page(
        await raw_connection(session), order=query.order, after=_position(query), limit=query.limit + 1,
        filters={"state": query.state, "customer_id": query.customer_id},
    )  # fmt: skip
    following = _cursor(rows[query.limit - 1], query) if len(rows) > query.limit else None
    items = [_body(row, parts.settings.currency) for row in rows[: query.limit]]
    return Page(items=items, next_cursor=following)


@router.get("/v1/alerts/{id}", dependencies=[requires("scores:read")])
async def get_alert(id: UUID, session: ReadSession, parts: PartsDep) -> Alert:  # noqa: A002
    """Show an alert with its reasons, the assumptions behind its profit, and notes."""
    row = await repository.find(await raw_connection(session), id)
    if row is None:
        raise AlertDoesNotExist(f"There is no alert {id}.")
    return _body(row, parts.settings.currency)


@router.post("/v1/alerts/{id}/assign", dependencies=[requires("scores:write")])
async def assign_alert(id: UUID, body: Assign, session: WriteSession, parts: PartsDep) -> Alert:  # noqa: A002
    """Put an open alert into somebody's hands."""
    return _body(await alert_work.assign(session, parts, id, body.assignee), parts.settings.currency)


@router.post("/v1/alerts/{id}/note", dependencies=[requires("scores:write")])
async def note_alert(
    id: UUID,  # noqa: A002
    body: Note,
    session: WriteSession,
    parts: PartsDep,
    identity: CallerIdentity,
) -> Alert:
    """Add a note to an alert."""
    row = await alert_work.note(session, parts, id, author=identity.subject, text=body.text)
    return _body(row, parts.settings.currency)


@router.post("/v1/alerts/{id}/snooze", dependencies=[requires("scores:write")])
async def snooze_alert(id: UUID, body: Snooze, session: WriteSession, parts: PartsDep) -> Alert:  # noqa: A002
    """Put an open alert off until a time; it then comes back by itself if it is still worth it."""
    return _body(await alert_work.snooze(session, parts, id, body.until), parts.settings.currency)


@router.post("/v1/alerts/{id}/dismiss", dependencies=[requires("scores:write")])
async def dismiss_alert(
    id: UUID,  # noqa: A002
    session: WriteSession,
    parts: PartsDep,
    identity: CallerIdentity,
    body: Dismiss | None = None,
) -> Alert:
    """Close an open alert; another one comes no sooner than the policy's cool-down."""
    reason = "" if body is None else body.reason
    row = await alert_work.dismiss(session, parts, id, author=identity.subject, reason=reason)
    return _body(row, parts.settings.currency)


def _body(alert: AlertRow, currency: str) -> Alert:
    values: dict[str, Any] = {name: getattr(alert, name) for name in Alert.model_fields}
    for name in ("expected_margin", "expected_profit"):
        values[name] = Money(amount=values[name], currency=currency)
    return Alert(**values)


def _cursor(alert: AlertRow, query: AlertQuery) -> str:
    value = format(alert.expected_profit, "f") if query.order == "-expected_profit" else alert.raised_at
    return encode_cursor([query.order, value, alert.id])


def _position(query: AlertQuery) -> tuple[Any, UUID] | None:
    if query.cursor is None:
        return None
    by_profit = query.order == "-expected_profit"
    order, value, alert_id = decode_cursor(query.cursor, str, str if by_profit else datetime, UUID)
    if order != query.order:
        raise BadCursor("The cursor belongs to a list in another order.")
    if not by_profit:
        return value, alert_id
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise BadCursor from error
    if not number.is_finite():
        raise BadCursor
    return number, alert_id
