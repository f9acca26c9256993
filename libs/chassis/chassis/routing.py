"""The router of every service: refuses what it does not know, keeps idempotent answers, documents problems."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from chassis.dependencies import RequiredScopes, write_session
from chassis.errors import FieldError, UnknownParameter
from chassis.idempotency import KEY_PATTERN, Claim, Replayed
from chassis.openapi import problem_responses
from chassis.strict_body import StrictRequest, refuse_unstorable

MAX_BODY_BYTES = 1_000_000

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictModel(BaseModel):
    """A request body: unknown fields are refused, and so are numbers that JSON does not have."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class IdempotentRoute(APIRoute):
    """A route that stores its answer in the transaction of its effect, before that commits."""

    def __init__(self, *args: Any, max_body_size: int | None = None, **options: Any) -> None:
        # Starlette's own limit answers in plain text.
        self._body_limit = MAX_BODY_BYTES if max_body_size is None else max_body_size
        super().__init__(*args, **options)

    def get_route_handler(self) -> Handler:
        """FastAPI's handler with the checks around it; it runs inside the stack that ends with the commit."""
        inner = super().get_route_handler()
        known = frozenset(_query_names(self.dependant))
        reads_body, limit = self.body_field is not None, self._body_limit

        async def handle(request: Request) -> Response:
            if request.scope["query_string"]:
                _refuse_unknown(request, known)
            request = StrictRequest(request, limit)
            if reads_body:
                refuse_unstorable(await request.body())
            try:
                response = await inner(request)
            except Replayed as replayed:
                return replayed.response
            held: Claim | None = getattr(request.state, "claim", None)
            if held is not None:
                await held.keep(response)
            return response

        return handle


class Router(APIRouter):
    """An APIRouter with our kind of routes; bodies are capped at 1 MB unless a route says `max_body_size`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"route_class": IdempotentRoute, **options})

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add a route with its problems documented."""
        methods = options.get("methods") or ["GET"]
        documented = problem_responses(self.prefix + path, frozenset(methods))
        options["responses"] = {**documented, **(options.get("responses") or {})}
        super().add_api_route(path, endpoint, **options)
        route = self.routes[-1]
        if isinstance(route, APIRoute) and "POST" in methods and _uses(route.dependant, write_session):
            route.openapi_extra = _with_key_header(route.openapi_extra or {})


def scopes_of(route: APIRoute) -> frozenset[str] | None:
    """The scopes a route requires; None when it forgot to say."""
    found = [dependant.call.scopes for dependant in _all(route.dependant) if isinstance(dependant.call, RequiredScopes)]
    return frozenset().union(*found) if found else None


def _with_key_header(extra: dict[str, Any]) -> dict[str, Any]:
    header = {
        "name": "Idempotency-Key", "in": "header", "required": False,
        "description": "Repeating a request with the same key has no second effect; kept for 24 hours.",
        "schema": {"type": "string", "pattern": KEY_PATTERN},
    }  # fmt: skip
    return {**extra, "parameters": [*extra.get("parameters", ()), header]}


def _refuse_unknown(request: Request, known: frozenset[str]) -> None:
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        errors = [FieldError(name, "unknown query parameter") for name in unknown[:20]]
        raise UnknownParameter(f"Known here: {names}.", errors=errors)


def _all(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _all(inner)


def _uses(dependant: Dependant, call: Callable[..., Any]) -> bool:
    return any(one.call is call for one in _all(dependant))


def _query_names(dependant: Dependant) -> Iterator[str]:
    for one in _all(dependant):
        for field in one.query_params:
            annotation = field.field_info.annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                yield from (inner.alias or name for name, inner in annotation.model_fields.items())
            else:
                yield field.alias
