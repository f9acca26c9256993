"""Partner endpoints over HTTP; a partner's key sees only its own."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Request

from campaign.endpoints.shown_once import keep_without_secret
from campaign.endpoints.versions import Versions
from campaign.endpoints.visible import LockedEndpoint, owner_of
from campaign.merge_patch import patched
from campaign.parts import PartsDep
from campaign.repository import webhook_endpoints as endpoint_rows
from campaign.schemas.webhooks import (
    Accepted,
    EndpointTerms,
    EndpointView,
    EndpointWithSecret,
    Recovered,
    RecoverTerms,
    endpoint_view,
)
from campaign.service import webhook_endpoints as use_cases
from campaign.service.deliveries import Range, recover
from chassis.api import Router
from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, encode_cursor
from chassis.dependencies import CallerIdentity, ReadSession, WriteSession, requires

router = Router(prefix="/v1/webhooks/endpoints")


@router.post("", status_code=201, dependencies=[requires("webhooks:write")])
async def create_webhook_endpoint(
    body: EndpointTerms, request: Request, session: WriteSession, parts: PartsDep, identity: CallerIdentity
) -> EndpointWithSecret:
    """Subscribe an address to events. The secret that signs them is shown this once."""
    row, secret = await use_cases.add_endpoint(session, body.model_dump(), parts, owner=identity.subject)
    keep_without_secret(request)
    return EndpointWithSecret(**endpoint_view(row), secret=secret)


@router.get("", dependencies=[requires("webhooks:read")])
async def list_webhook_endpoints(
    session: ReadSession, identity: CallerIdentity, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[EndpointView]:
    """List endpoints, the oldest first."""
    after = decode_cursor(cursor, UUID)[0] if cursor else None
    rows = await endpoint_rows.list_endpoints(session, owner=owner_of(identity), after=after, limit=limit + 1)
    following = encode_cursor([rows[limit - 1]["id"]]) if len(rows) > limit else None
    return Page(items=[EndpointView(**endpoint_view(row)) for row in rows[:limit]], next_cursor=following)


@router.get("/{endpoint_id}", dependencies=[requires("webhooks:read")])
async def get_webhook_endpoint(
    endpoint_id: UUID, session: ReadSession, identity: CallerIdentity, versions: Versions
) -> EndpointView:
    """Read an endpoint."""
    row = await endpoint_rows.get_endpoint(session, endpoint_id, owner=owner_of(identity))
    versions.tell(row["version"])
    return EndpointView(**endpoint_view(row))


@router.patch("/{endpoint_id}", dependencies=[requires("webhooks:write")])
async def update_webhook_endpoint(
    body: Annotated[dict[str, Any], Body()],
    row: LockedEndpoint,
    session: WriteSession,
    parts: PartsDep,
    versions: Versions,
) -> EndpointView:
    """Change an endpoint (JSON Merge Patch)."""
    versions.require(row["version"])
    terms = patched(EndpointTerms(**{name: row[name] for name in EndpointTerms.model_fields}), body)
    saved = await use_cases.change_endpoint(session, row["id"], terms.model_dump(), parts)
    versions.tell(saved["version"])
    return EndpointView(**endpoint_view(saved))


@router.delete("/{endpoint_id}", status_code=204, dependencies=[requires("webhooks:write")])
async def delete_webhook_endpoint(endpoint_id: UUID, session: WriteSession, identity: CallerIdentity) -> None:
    """Delete an endpoint with its delivery log."""
    await endpoint_rows.get_endpoint(session, endpoint_id, owner=owner_of(identity), lock=True)
    await endpoint_rows.delete_endpoint(session, endpoint_id)


@router.post("/{endpoint_id}/rotate", dependencies=[requires("webhooks:write")])
async def rotate_webhook_secret(
    endpoint_id: UUID, request: Request, session: WriteSession, parts: PartsDep, identity: CallerIdentity
) -> EndpointWithSecret:
    """Make a new secret, shown this once; for a day the one before signs beside it."""
    row = await endpoint_rows.get_endpoint(session, endpoint_id, owner=owner_of(identity), lock=True)
    secret = await use_cases.rotate(session, row, parts)
    keep_without_secret(request)
    return EndpointWithSecret(**endpoint_view(row), secret=secret)


@router.post("/{endpoint_id}/enable", dependencies=[requires("webhooks:write")])
async def enable_webhook_endpoint(
    endpoint_id: UUID, session: WriteSession, parts: PartsDep, identity: CallerIdentity
) -> EndpointView:
    """Send to an endpoint again."""
    row = await endpoint_rows.get_endpoint(session, endpoint_id, owner=owner_of(identity), lock=True)
    await use_cases.enable(session, row["id"], parts)
    return EndpointView(**endpoint_view(await endpoint_rows.get_endpoint(session, endpoint_id, owner=None)))


@router.post("/{endpoint_id}/disable", dependencies=[requires("webhooks:write")])
async def disable_webhook_endpoint(
    endpoint_id: UUID, session: WriteSession, parts: PartsDep, identity: CallerIdentity
) -> EndpointView:
    """Send nothing more to an endpoint; what waits for it is given up."""
    row = await endpoint_rows.get_endpoint(session, endpoint_id, owner=owner_of(identity), lock=True)
    await use_cases.disable(session, row["id"], parts, cause="by_hand")
    return EndpointView(**endpoint_view(await endpoint_rows.get_endpoint(session, endpoint_id, owner=None)))


@router.post("/{endpoint_id}/test", status_code=202, dependencies=[requires("webhooks:write")])
async def send_webhook_test(
    endpoint_id: UUID, session: WriteSession, parts: PartsDep, identity: CallerIdentity
) -> Accepted:
    """Send a signed message that means nothing; its delivery shows what came back."""
    row = await endpoint_rows.get_endpoint(session, endpoint_id, owner=owner_of(identity))
    return Accepted(delivery_id=await use_cases.send_test(session, row, parts))


@router.post("/{endpoint_id}/recover", status_code=202, dependencies=[requires("webhooks:write")])
async def recover_webhook_deliveries(
    endpoint_id: UUID, body: RecoverTerms, session: WriteSession, parts: PartsDep, identity: CallerIdentity
) -> Recovered:
    """Send again what was given up since a time, or replay a range: same messages, same ids."""
    row = await endpoint_rows.get_endpoint(session, endpoint_id, owner=owner_of(identity))
    return Recovered(count=await recover(session, row, Range(body.since, body.until, body.states), parts))
