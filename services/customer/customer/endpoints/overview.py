"""The 360 and how tier and stage came about."""

from uuid import UUID

from fastapi import Response

from chassis.api import Router
from chassis.database import raw_connection
from chassis.dependencies import CallerIdentity, ReadSession, requires
from contracts.event import OWN_TOUCHES
from customer.endpoints.answers import found, json_answer, overview_body
from customer.parts import Parts
from customer.repository import reading
from customer.schemas import Overview, StandingHistory

router = Router(prefix="/v1/customers/{customer_id}")
_OWN_TOUCHES = sorted(OWN_TOUCHES)


@router.get("/360", response_model=Overview, dependencies=[requires("customers:read")])
async def read_overview(customer_id: UUID, session: ReadSession, identity: CallerIdentity, parts: Parts) -> Response:
    """Read all that is known of a customer: profile, scores with reasons, interactions, alerts, actions, consents."""
    rendered = await reading.find_360(
        await raw_connection(session), customer_id, own_touches=_OWN_TOUCHES, as_of=parts.clock.business_now()
    )
    rendered = found(rendered, customer_id)
    return json_answer(overview_body(rendered, identity, parts), version=rendered.version)


@router.get("/standing-history", response_model=StandingHistory, dependencies=[requires("customers:read")])
async def read_standing_history(customer_id: UUID, session: ReadSession) -> Response:
    """Read how a customer's tier and stage changed, newest first, and whether a score or a person changed them."""
    return json_answer(
        found(await reading.find_standing_history(await raw_connection(session), customer_id), customer_id)
    )
