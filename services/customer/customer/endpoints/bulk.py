"""Many customers in one request."""

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import Request, Response
from pydantic import ValidationError

from chassis.api import Router
from chassis.dependencies import WriteSession, requires
from chassis.errors import MalformedJson, TooLarge
from customer.domain.matching import Placement
from customer.endpoints.answers import future_statements, json_answer
from customer.parts import CustomerParts
from customer.schemas import BulkResult, CustomerBody
from customer.service.consenting import record_statements
from customer.service.registration import register
from customer.turns import in_turns

router = Router(prefix="/v1/customers")
_MOST_ITEMS = 5_000
_MOST_BYTES = 20_000_000
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "maxItems": _MOST_ITEMS,
                    # The body of `POST /v1/customers`, which the document describes already.
                    "items": {"$ref": f"#/components/schemas/{CustomerBody.__name__}"},
                }
            },
            "application/x-ndjson": {"schema": {"type": "string", "description": "One customer a line"}},
        },
    }
}


@router.post(
    "/bulk", response_model=BulkResult, dependencies=[requires("customers:write")], openapi_extra=_BODY,
    max_body_size=_MOST_BYTES,
)  # fmt: skip
async def register_customers(request: Request, session: WriteSession) -> Response:
    """Create or match up to 5,000 customers (a JSON array or NDJSON); each has its own result, in order.

    An item that is refused does not hold up the others. Items may carry `consents`.
    """
    parts: CustomerParts = request.app.state.service.parts
    items = _split(await request.body(), request.headers.get("content-type", ""))
    if len(items) > _MOST_ITEMS:
        raise TooLarge(f"At most {_MOST_ITEMS} customers a request; these are {len(items)}.")
    read = await _read(items, parts)
    bodies = [one for one in read if isinstance(one, CustomerBody)]
    now = parts.clock.business_now()
    placements = await register(session, parts, [body.draft(now) for body in bodies])
    said = [
        (placement.customer_id, one)
        for placement, body in zip(placements, bodies, strict=True)
        for one in body.statements()
    ]
    await record_statements(session, parts, said)
    placed = iter(placements)
    results = [
        _accepted(place, next(placed)) if isinstance(one, CustomerBody) else _refused(place, one)
        for place, one in enumerate(read)
    ]
    answer = {"results": results, "accepted": len(bodies), "rejected": len(read) - len(bodies)}
    return json_answer(msgspec.json.encode(answer))


def _split(body: bytes, content_type: str) -> Sequence[bytes | msgspec.Raw]:
    if content_type.split(";")[0].strip().lower() == "application/x-ndjson":
        return [line for line in body.splitlines() if line.strip()]
    try:
        return msgspec.json.decode(body, type=list[msgspec.Raw])
    except msgspec.DecodeError as error:
        raise MalformedJson("The body must be a JSON array of customers, or NDJSON with its content type.") from error


async def _read(
    items: Sequence[bytes | msgspec.Raw], parts: CustomerParts
) -> list[CustomerBody | list[dict[str, str]]]:
    read: list[CustomerBody | list[dict[str, str]]] = []
    async for item in in_turns(items):
        read.append(_read_one(bytes(item), parts))
    return read


def _read_one(item: bytes, parts: CustomerParts) -> CustomerBody | list[dict[str, str]]:
    """The item, or what is wrong with it."""
    try:
        body = CustomerBody.model_validate_json(item)
    except ValidationError as error:
        return [{"pointer": _pointer(one["loc"]), "detail": one["msg"]} for one in error.errors(include_input=False)]
    errors = future_statements(body.statements(), parts) if body.consents else []
    return [error._asdict() for error in errors] or body


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _accepted(place: int, placement: Placement) -> dict[str, Any]:
    matched = placement.matched_by is not None
    return {
        "index": place, "status": 200 if matched else 201, "id": placement.customer_id, "duplicate": matched,
        "error": None, "matched_by": placement.matched_by, "possible_duplicates": placement.possible_duplicates,
    }  # fmt: skip


def _refused(place: int, errors: list[dict[str, str]]) -> dict[str, Any]:
    count = len(errors)
    detail = f"{count} {'part' if count == 1 else 'parts'} of the item cannot be accepted."
    return {
        "index": place, "status": 422, "id": None, "duplicate": False,
        "error": {"code": "invalid", "detail": detail, "errors": errors}, "matched_by": None,
        "possible_duplicates": [],
    }  # fmt: skip
