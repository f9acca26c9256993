"""Recording what happened, one at a time or in bulk. These are the hot paths: bodies are read by msgspec."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request, Response

from chassis.api import Router
from chassis.dependencies import WriteSession, parts_of, requires
from chassis.errors import Problem, body_of
from chassis.trace import current_trace
from interaction.acceptance import accept
from interaction.bodies import encoder, json_schema
from interaction.bulk import MAX_BATCH_BYTES, MAX_ITEMS, split
from interaction.entries import Entry, Outcome
from interaction.schemas import Accepted, BulkAccepted
from interaction.service import InteractionParts, record

Parts = Annotated[InteractionParts, Depends(parts_of)]
router = Router(prefix="/v1/interactions")

_RECORDED_STATUS = 202
_AT_ONCE = 250
_EXAMPLE = {
    "source": "shop", "source_id": "536365", "customer": {"source": "shop", "external_id": "17850"},
    "channel": "web", "direction": "inbound", "kind": "purchase", "occurred_at": "2010-12-01T08:26:00Z",
    "amount": {"amount": "15.30", "currency": "EUR"}, "cost_to_serve": "0.40",
    "lines": [{"product": "85123A", "category": "decor", "quantity": 6, "unit_price": "2.55", "amount": "15.30"}],
    "properties": {}, "backfill": False,
}  # fmt: skip
_SCHEMA = {**json_schema(), "examples": [_EXAMPLE]}
_ONE = {"requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}}
_MANY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "items": _SCHEMA, "minItems": 1, "maxItems": MAX_ITEMS}},
            "application/x-ndjson": {"schema": {"type": "string", "description": "One interaction a line"}},
        },
    }
}


@router.post(
    "", status_code=_RECORDED_STATUS, response_model=Accepted, openapi_extra=_ONE,
    dependencies=[requires("interactions:write")],
)  # fmt: skip
async def record_interaction(request: Request, parts: Parts) -> Response:
    """Record one interaction; answered once it is durable. `(source, source_id)` deduplicates."""
    entry = accept(await request.body(), parts.rules(), trace=current_trace())
    outcome = await parts.writer.write(entry)
    return Response(encoder.encode(outcome), status_code=_RECORDED_STATUS, media_type="application/json")


@router.post(
    "/bulk", response_model=BulkAccepted, openapi_extra=_MANY, max_body_size=MAX_BATCH_BYTES,
    dependencies=[requires("interactions:write")],
)  # fmt: skip
async def record_interactions(request: Request, parts: Parts, session: WriteSession) -> Response:
    """Record up to 5,000 interactions; a bad one gets its own error and the others go in."""
    items = split(await request.body(), request.headers.get("content-type", ""))
    judged = await _accept_all(items, parts)
    entries = [one for one in judged if isinstance(one, Entry)]
    outcomes = iter(await record(session, entries, parts.settings) if entries else ())
    results = [
        _rejected(index, one) if isinstance(one, Problem) else _recorded(index, next(outcomes))
        for index, one in enumerate(judged)
    ]
    answer = {"results": results, "accepted": len(entries), "rejected": len(results) - len(entries)}
    return Response(encoder.encode(answer), media_type="application/json")


async def _accept_all(items: list[bytes], parts: InteractionParts) -> list[Entry | Problem]:
    rules, trace = parts.rules(), current_trace()
    judged: list[Entry | Problem] = []
    for number, item in enumerate(items, start=1):
        try:
            judged.append(accept(item, rules, trace=trace))
        except Problem as problem:
            judged.append(problem)
        # A large batch must not keep every other request waiting while it is read.
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return judged


class Recorded(msgspec.Struct, omit_defaults=True, gc=False):
    """The result of an item that is in the log."""

    index: int
    status: int
    id: Any
    customer_id: Any
    duplicate: bool
    differs: bool | None = None


def _recorded(index: int, outcome: Outcome) -> Recorded:
    return Recorded(
        index, _RECORDED_STATUS, outcome.id, outcome.customer_id, outcome.duplicate, outcome.differs
    )  # fmt: skip


def _rejected(index: int, problem: Problem) -> dict[str, Any]:
    error = body_of(problem)
    del error["trace_id"]
    return {"index": index, "status": problem.status, "error": error}
