"""The delivery log over HTTP; a partner's key sees only its own."""

from uuid import UUID

from campaign.endpoints.visible import owner_of
from campaign.parts import PartsDep
from campaign.repository import deliveries as delivery_rows
from campaign.schemas.decisions import DeliveryState
from campaign.schemas.webhooks import Accepted, DeliveryView, delivery_view
from campaign.service.deliveries import resend
from chassis.api import Router
from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, encode_cursor
from chassis.dependencies import CallerIdentity, ReadSession, WriteSession, requires

router = Router(prefix="/v1/webhooks/deliveries")


@router.get("", dependencies=[requires("webhooks:read")])
async def list_webhook_deliveries(
    session: ReadSession, identity: CallerIdentity, endpoint_id: UUID | None = None, state: DeliveryState | None = None,
    cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT,
) -> Page[DeliveryView]:  # fmt: skip
    """List deliveries with every attempt, the newest first."""
    before = decode_cursor(cursor, UUID)[0] if cursor else None
    rows = await delivery_rows.list_webhook_deliveries(
        session, owner=owner_of(identity), endpoint_id=endpoint_id, state=state, page=(before, limit + 1)
    )
    attempts = await delivery_rows.list_attempts(session, [row["id"] for row in rows[:limit]])
    items = [DeliveryView.model_validate(delivery_view(row, attempts[row["id"]])) for row in rows[:limit]]
    return Page(items=items, next_cursor=encode_cursor([rows[limit - 1]["id"]]) if len(rows) > limit else None)


@router.get("/{delivery_id}", dependencies=[requires("webhooks:read")])
async def get_webhook_delivery(delivery_id: UUID, session: ReadSession, identity: CallerIdentity) -> DeliveryView:
    """Read one delivery with every attempt."""
    row = await delivery_rows.get_delivery(session, delivery_id, owner=owner_of(identity))
    attempts = await delivery_rows.list_attempts(session, [delivery_id])
    return DeliveryView.model_validate(delivery_view(row, attempts[delivery_id]))


@router.post("/{delivery_id}/resend", status_code=202, dependencies=[requires("webhooks:write")])
async def resend_webhook_delivery(
    delivery_id: UUID, session: WriteSession, parts: PartsDep, identity: CallerIdentity
) -> Accepted:
    """Send one delivery again, with the same message id."""
    row = await delivery_rows.get_delivery(session, delivery_id, owner=owner_of(identity))
    await resend(session, row, parts)
    return Accepted(delivery_id=delivery_id)
