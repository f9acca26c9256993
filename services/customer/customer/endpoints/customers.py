"""Profiles: create or match, read, list, change."""

from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from chassis.api import Router
from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, encode_cursor
from chassis.database import raw_connection
from chassis.dependencies import CallerIdentity, ReadSession, WriteSession, requires
from chassis.errors import NotFound
from chassis.etag import require_match
from contracts.event import Stage, Tier
from customer.endpoints.answers import SEE_PERSONAL_DATA, found, json_answer, profile_body, refuse_future
from customer.parts import Parts
from customer.repository import listing, reading
from customer.schemas import CustomerBody, CustomerPatch, Profile, RegisteredProfile
from customer.service.amendment import amend_customer
from customer.service.consenting import record_statements
from customer.service.registration import register

router = Router(prefix="/v1/customers")
# Only an id is a customer: `PATCH /v1/customers/bulk` is no customer that does not exist, but a wrong method.
_ONE = "/{customer_id:uuid}"
_SEARCH = (
    "Part of a name, e-mail, phone or external id (of fewer than three characters: the beginning of a word); without "
    "`pii:read` the beginning of an external id"
)


@router.post(
    "", status_code=201, response_model=RegisteredProfile, dependencies=[requires("customers:write")],
    responses={200: {"model": RegisteredProfile, "description": "The record matched a customer"}},
)  # fmt: skip
async def register_customer(
    body: CustomerBody, session: WriteSession, identity: CallerIdentity, parts: Parts
) -> Response:
    """Create a customer, or match the record to one: by external id before anything else, then e-mail, then phone.

    A match fills what was missing and adds identifiers; it never overwrites and never merges profiles.
    """
    refuse_future(body.statements(), parts)
    [placement] = await register(session, parts, [body.draft(parts.clock.business_now())])
    await record_statements(session, parts, [(placement.customer_id, one) for one in body.statements()])
    rendered = found(
        await reading.find_profile(await raw_connection(session), placement.customer_id), placement.customer_id
    )
    answer = profile_body(
        rendered, identity, parts, matched_by=placement.matched_by, possible_duplicates=placement.possible_duplicates
    )
    return json_answer(answer, status=200 if placement.matched_by else 201, version=rendered.version)


@router.get("", response_model=Page[Profile], dependencies=[requires("customers:read")])
async def list_customers(
    session: ReadSession,
    identity: CallerIdentity,
    parts: Parts,
    q: Annotated[
        str | None,
        Query(min_length=1, max_length=200, description=_SEARCH),
    ] = None,
    tier: Tier | None = None,
    stage: Stage | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List or search customers, the newest first."""
    wanted = listing.Wanted(
        text=q, in_personal_data=identity.may(SEE_PERSONAL_DATA), tier=tier, stage=stage,
        after=tuple(decode_cursor(cursor, datetime, UUID)) if cursor else None,
    )  # fmt: skip
    rows = await listing.list_customers(await raw_connection(session), wanted, limit=limit + 1)
    shown = rows[:limit]
    following = encode_cursor([shown[-1].created_at, shown[-1].id]) if len(rows) > limit else None
    items = b",".join(profile_body(row.body, identity, parts) for row in shown)
    quoted = b"null" if following is None else f'"{following}"'.encode()
    return json_answer(b'{"items":[' + items + b'],"next_cursor":' + quoted + b"}")


@router.get(_ONE, response_model=Profile, dependencies=[requires("customers:read")])
async def read_customer(customer_id: UUID, session: ReadSession, identity: CallerIdentity, parts: Parts) -> Response:
    """Read a customer; a merged id answers with the survivor and `merged_from`."""
    rendered = found(await reading.find_profile(await raw_connection(session), customer_id), customer_id)
    return json_answer(profile_body(rendered, identity, parts), version=rendered.version)


@router.get(
    "/by-external-id/{source}/{external_id:path}", response_model=Profile, dependencies=[requires("customers:read")]
)
async def read_customer_by_external_id(
    source: str, external_id: str, session: ReadSession, identity: CallerIdentity, parts: Parts
) -> Response:
    """Read the customer that an id in another system stands for."""
    connection = await raw_connection(session)
    customer_id = await reading.find_id_by_external_id(connection, source, external_id)
    if customer_id is None:
        raise NotFound(f"No customer has this id in {source}.")
    rendered = found(await reading.find_profile(connection, customer_id), customer_id)
    return json_answer(profile_body(rendered, identity, parts), version=rendered.version)


@router.patch(_ONE, response_model=Profile, dependencies=[requires("customers:write")])
async def patch_customer(
    customer_id: UUID, body: CustomerPatch, request: Request, session: WriteSession, identity: CallerIdentity
) -> Response:
    """Change a customer by JSON merge patch (RFC 7396); `If-Match` names the version that was read."""
    parts = request.app.state.service.parts
    changes = body.model_dump(exclude_unset=True)
    await amend_customer(session, parts, customer_id, changes=changes, require=partial(require_match, request))
    rendered = found(await reading.find_profile(await raw_connection(session), customer_id), customer_id)
    return json_answer(profile_body(rendered, identity, parts), version=rendered.version)
