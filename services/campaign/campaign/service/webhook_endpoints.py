"""Partner endpoints: made, changed, rotated, disabled and enabled; their secrets are shown once and stored sealed."""

import json
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.domain.fan_out import Message
from campaign.domain.patterns import unmatched
from campaign.domain.signing import new_secret
from campaign.errors import EndpointIsDisabled, InvalidEndpoint
from campaign.parts import CampaignParts, new_id
from campaign.repository import deliveries as delivery_rows
from campaign.repository import webhook_endpoints as endpoint_rows
from campaign.repository.query import Row
from campaign.service.fan_out import OFFERED, delivery_row
from campaign.service.outcomes import tell
from chassis.errors import FieldError
from chassis.outbox import publish
from chassis.trace import current_trace
from contracts.campaign import WebhookEndpointDisabled

TEST_TYPE = "stave.webhook_test.v1"


async def add_endpoint(
    session: AsyncSession, wanted: dict[str, Any], parts: CampaignParts, *, owner: str
) -> tuple[Row, str]:
    """Add an endpoint; returns it and its secret, which nobody can read again."""
    await check(wanted, parts)
    at = parts.clock.system_now()
    endpoint = await endpoint_rows.add_endpoint(session, wanted | {"id": new_id(), "owner": owner, "at": at})
    return endpoint, await _add_secret(session, endpoint["id"], parts)


async def change_endpoint(
    session: AsyncSession, endpoint_id: UUID, wanted: dict[str, Any], parts: CampaignParts
) -> Row:
    """Change an endpoint that the caller has locked. Raises InvalidEndpoint."""
    await check(wanted, parts)
    return await endpoint_rows.save_endpoint(session, wanted | {"id": endpoint_id, "at": parts.clock.system_now()})


async def check(wanted: dict[str, Any], parts: CampaignParts) -> None:
    """Refuse what could never be delivered. Raises InvalidEndpoint."""
    offered = [event.wire_name for event in OFFERED]
    errors = [
        FieldError(f"/event_types/{place}", reason)
        for place, pattern in enumerate(wanted["event_types"])
        if (reason := unmatched(pattern, offered))
    ]
    if objection := await parts.guard.objection(wanted["url"]):
        errors.append(FieldError("/url", objection))
    if errors:
        raise InvalidEndpoint("The endpoint cannot be used as it is.", errors=errors)


async def _add_secret(session: AsyncSession, endpoint_id: UUID, parts: CampaignParts) -> str:
    secret = new_secret()
    sealed = parts.seal.close(secret, context=endpoint_id.bytes)
    row = {"id": new_id(), "endpoint_id": endpoint_id, "sealed": sealed, "at": parts.clock.system_now()}
    await endpoint_rows.add_secret(session, row)
    return secret


async def rotate(session: AsyncSession, endpoint: Row, parts: CampaignParts) -> str:
    """A new secret; the one before goes on signing beside it for a while."""
    now = parts.clock.system_now()
    overlap_ends = now + parts.settings.webhook_rotation_overlap
    await endpoint_rows.expire_secrets(session, endpoint["id"], at=overlap_ends, now=now)
    return await _add_secret(session, endpoint["id"], parts)


async def disable(session: AsyncSession, endpoint_id: UUID, parts: CampaignParts, *, cause: str) -> None:
    """Send nothing more to an endpoint; what waits for it is given up, and can be recovered once it is enabled."""
    at = parts.clock.system_now()
    if await endpoint_rows.mark_endpoint(session, endpoint_id, state="disabled", cause=cause, at=at) is None:
        return
    failed = await delivery_rows.fail_pending(session, at=at, endpoint_id=endpoint_id)
    await tell(
        session, failed, parts, errors=dict.fromkeys((row["id"] for row in failed), f"endpoint disabled: {cause}")
    )
    await delivery_rows.wake_dispatchers(session)
    publish(session, WebhookEndpointDisabled(endpoint_id=endpoint_id, cause=cause, disabled_at=at))


async def enable(session: AsyncSession, endpoint_id: UUID, parts: CampaignParts) -> None:
    """Send to an endpoint again, from the next event on."""
    at = parts.clock.system_now()
    await endpoint_rows.mark_endpoint(session, endpoint_id, state="enabled", cause=None, at=at)


async def send_test(session: AsyncSession, endpoint: Row, parts: CampaignParts) -> UUID:
    """Send a message that means nothing, to see whether it arrives; returns the delivery's id."""
    if endpoint["state"] != "enabled":
        raise EndpointIsDisabled("Enable the endpoint first.")
    event_id, at = new_id(), parts.clock.system_now()
    message = Message(event_id, TEST_TYPE, _test_envelope(event_id, endpoint["id"], at.isoformat()))
    row = delivery_row(message, endpoint_id=endpoint["id"], trace=current_trace(), at=at)
    await delivery_rows.add_deliveries(session, [row], {event_id: message.body}, at=at)
    return UUID(str(row["id"]))


def _test_envelope(event_id: UUID, endpoint_id: UUID, at: str) -> bytes:
    subject = f"endpoint-{endpoint_id}"
    envelope = {
        "specversion": "1.0", "id": str(event_id), "source": "stave/campaign", "type": TEST_TYPE, "subject": subject,
        "partitionkey": subject, "time": at, "datacontenttype": "application/json",
        "dataschema": f"stave:events/{TEST_TYPE}", "traceparent": current_trace().traceparent, "backfill": False,
        "data": {"endpoint_id": str(endpoint_id)},
    }  # fmt: skip
    return json.dumps(envelope).encode()
