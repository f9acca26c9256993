"""Consent per channel and purpose."""

from uuid import UUID

from fastapi import Response

from chassis.api import Router
from chassis.database import raw_connection
from chassis.dependencies import ReadSession, WriteSession, requires
from customer.endpoints.answers import found, json_answer, refuse_future
from customer.parts import Parts
from customer.repository import reading
from customer.schemas import Consents, ConsentsBody
from customer.service.consenting import put_consents

router = Router(prefix="/v1/customers/{customer_id}/consents")


@router.get("", response_model=Consents, dependencies=[requires("customers:read")])
async def read_consents(customer_id: UUID, session: ReadSession, parts: Parts) -> Response:
    """Read what a customer allows, what counts where they said nothing, and everything they ever said."""
    default = parts.settings.consent_default
    return json_answer(
        found(await reading.find_consents(await raw_connection(session), customer_id, default=default), customer_id)
    )


@router.put("", response_model=Consents, dependencies=[requires("customers:write")])
async def set_consents(customer_id: UUID, body: ConsentsBody, session: WriteSession, parts: Parts) -> Response:
    """Record what a customer allows; channels and purposes that are not named stay as they are.

    Of two statements about one thing the later counts, by the time they were made, not by when they arrived.
    """
    statements = [consent.statement("api") for consent in body.consents]
    refuse_future(statements, parts)
    await put_consents(session, parts, customer_id, statements=statements)
    default = parts.settings.consent_default
    return json_answer(
        found(await reading.find_consents(await raw_connection(session), customer_id, default=default), customer_id)
    )
