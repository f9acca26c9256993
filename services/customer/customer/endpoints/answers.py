"""Answers out of JSON that the database built; personal data is masked for who may not see it."""

from typing import Any, TypeVar
from uuid import UUID

import msgspec
from fastapi import Response

from chassis.errors import FieldError, Invalid
from chassis.etag import etag_of
from chassis.identity import Identity
from customer.domain.consents import Statement, is_from_the_future
from customer.domain.masking import masked
from customer.errors import CustomerDoesNotExist
from customer.parts import CustomerParts
from customer.repository.reading import Rendered

T = TypeVar("T")
SEE_PERSONAL_DATA = "pii:read"


def json_answer(body: bytes | str, *, status: int = 200, version: int | None = None) -> Response:
    """An answer that is JSON already."""
    headers = {} if version is None else {"ETag": etag_of(version)}
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def found(what: T | None, customer_id: UUID) -> T:
    """What was found; 404 when it was not."""
    if what is None:
        raise CustomerDoesNotExist(f"There is no customer {customer_id}.")
    return what


def profile_body(rendered: Rendered | str, identity: Identity, parts: CustomerParts, **extra: Any) -> bytes:
    """A profile as this caller may see it."""
    body = rendered if isinstance(rendered, str) else rendered.body
    sees_all = identity.may(SEE_PERSONAL_DATA)
    if sees_all and not extra:
        return body.encode()
    profile = msgspec.json.decode(body)
    if not sees_all:
        profile = masked(profile, personal_attributes=parts.settings.personal_attributes)
    return msgspec.json.encode(profile | extra)


def overview_body(rendered: Rendered, identity: Identity, parts: CustomerParts) -> bytes:
    """A 360 as this caller may see it."""
    if identity.may(SEE_PERSONAL_DATA):
        return rendered.body.encode()
    overview = msgspec.json.decode(rendered.body)
    overview["profile"] = masked(overview["profile"], personal_attributes=parts.settings.personal_attributes)
    return msgspec.json.encode(overview)


def future_statements(statements: list[Statement], parts: CustomerParts) -> list[FieldError]:
    """The consents that claim to be said later than now, by either clock."""
    now = max(parts.clock.business_now(), parts.clock.system_now())
    return [
        FieldError(f"/consents/{place}/at", "lies in the future")
        for place, statement in enumerate(statements)
        if is_from_the_future(statement.at, now=now)
    ]


def refuse_future(statements: list[Statement], parts: CustomerParts) -> None:
    """Refuse consents said later than now: they would outlive every withdrawal until then."""
    if errors := future_statements(statements, parts):
        raise Invalid("A consent cannot be given in the future.", errors=errors)
