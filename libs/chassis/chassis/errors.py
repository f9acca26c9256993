"""Errors as facts with a status, a title and a stable code, told as RFC 9457 problem details.

Problem (500) is the root of BadRequest 400, Unauthorized 401, Forbidden 403, NotFound 404, Conflict 409,
PreconditionFailed 412, TooLarge 413, Invalid 422, PreconditionRequired 428, TooManyRequests 429, Unavailable 503.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from chassis.database import is_transient
from chassis.trace import current_trace

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_MOST_FIELD_ERRORS = 100

# Values PostgreSQL (appendix A, class 22) or its driver cannot hold, by SQLSTATE: the caller's fault, not ours.
_UNSTORABLE = frozenset({"22000", "22001", "22003", "22008", "22021", "22P02", "22P03", "22P05"})


class FieldError(NamedTuple):
    """What is wrong with one part of a request: an RFC 6901 pointer into the body, or a parameter's name."""

    pointer: str
    detail: str


class Problem(Exception):
    """A failure with a meaning for the caller. Subclasses set `status`, `code` and `title`; `code` never changes."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(
        self, detail: str = "", *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail or self.title
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class BadRequest(Problem):
    """The request cannot be read."""

    status, code, title = 400, "bad_request", "The request cannot be read"


class MalformedJson(BadRequest):
    """The body is not JSON."""

    code, title = "malformed_json", "The body is not JSON"


class UnknownParameter(BadRequest):
    """A query parameter that this route does not have."""

    code, title = "unknown_parameter", "A query parameter is not known here"


class Unauthorized(Problem):
    """Nobody vouches for the caller."""

    status, code, title = 401, "unauthenticated", "The caller is not known"


class Forbidden(Problem):
    """The caller is known and may not."""

    status, code, title = 403, "forbidden", "The caller may not do this"


class MissingScope(Forbidden):
    """The caller's scopes do not cover the route."""

    code, title = "missing_scope", "The caller lacks a scope"


class NotFound(Problem):
    """There is no such thing."""

    status, code, title = 404, "not_found", "There is no such thing"


class Conflict(Problem):
    """The present state does not allow it."""

    status, code, title = 409, "conflict", "The present state does not allow this"


class PreconditionFailed(Problem):
    """It was changed by somebody else in between."""

    status, code, title = 412, "stale_version", "It was changed in between"


class TooLarge(Problem):
    """More than is accepted at once."""

    status, code, title = 413, "too_large", "The body is too large"


class Invalid(Problem):
    """Readable, but not acceptable."""

    status, code, title = 422, "invalid", "The request is not valid"


class UnstorableValue(Invalid):
    """A value no column can hold: U+0000, a lone surrogate, a number beyond its range."""

    code, title = "unstorable_value", "A value cannot be stored"


class PreconditionRequired(Problem):
    """An update must say which version it changes."""

    status, code, title = 428, "if_match_required", "If-Match is required"


class TooManyRequests(Problem):
    """The caller must wait."""

    status, code, title = 429, "too_many_requests", "Too many requests"


class Unavailable(Problem):
    """Not now; trying again later can help."""

    status, code, title = 503, "unavailable", "Not available at the moment"


class DatabaseUnavailable(Unavailable):
    """The database cannot do it now."""

    code, title = "database_unavailable", "The database is not available at the moment"

    def __init__(self) -> None:
        super().__init__("Nothing was changed. Try again in a moment.", headers={"Retry-After": "1"})


class OtherRefusal(Problem):
    """A refusal of the framework's that has no class here, such as 405."""

    def __init__(self, status: HTTPStatus, *, headers: Mapping[str, str] | None = None) -> None:
        self.status = int(status)  # type: ignore[misc]
        self.code = status.phrase.lower().replace(" ", "_")  # type: ignore[misc]
        self.title = status.phrase  # type: ignore[misc]
        super().__init__(headers=headers)


class ProblemField(BaseModel):
    """One part of the request that is wrong."""

    pointer: str
    detail: str


class ProblemDetails(BaseModel):
    """An error (RFC 9457); `code` is stable, `trace_id` finds the request in the logs."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    errors: list[ProblemField]


def body_of(problem: Problem) -> dict[str, Any]:
    """The problem as RFC 9457 members."""
    return {
        "type": f"urn:stave:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "trace_id": current_trace().trace_id,
        "errors": [{"pointer": error.pointer, "detail": error.detail} for error in problem.errors],
    }


class ProblemResponse(JSONResponse):
    """Problem details; escaped to ASCII, since what is quoted may be no valid Unicode."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Render as JSON."""
        return json.dumps(content, separators=(",", ":")).encode()


def answer(problem: Problem) -> Response:
    """The answer that tells of a problem."""
    headers = dict(problem.headers)
    if problem.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return ProblemResponse(body_of(problem), status_code=problem.status, headers=headers)


def problem_of(error: BaseException) -> Problem:
    """What a caller may know of any error; whatever is not understood is an internal error without details."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        return _http_problem(error)
    if isinstance(error, Exception) and is_transient(error):
        return DatabaseUnavailable()
    if isinstance(error, (UnicodeEncodeError, OverflowError)) or _sqlstate(error) in _UNSTORABLE:
        return UnstorableValue("A text holds a character, or a number is beyond the range, that cannot be stored.")
    return Problem("The error was logged; quote the trace id when you report it.")


def _sqlstate(error: BaseException) -> str | None:
    origin = error.orig if isinstance(error, DBAPIError) else error
    return getattr(origin, "sqlstate", None)


def _http_problem(error: HTTPException) -> Problem:
    """Starlette's and FastAPI's own refusals: unknown path, wrong method, unreadable body, body over the limit."""
    if error.status_code == 400:
        return MalformedJson("The body cannot be parsed.")
    status = HTTPStatus(error.status_code)
    known = {404: NotFound, 413: TooLarge}.get(error.status_code)
    if known is not None:
        return known(headers=error.headers)
    return OtherRefusal(status, headers=error.headers)


def _invalid(error: RequestValidationError) -> Problem:
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        where = next(one for one in found if one["type"] == "json_invalid")
        return MalformedJson(f"{where['ctx']['error']} at character {where['loc'][-1]}.")
    errors = [FieldError(_pointer(one["loc"]), str(one["msg"])) for one in found[:_MOST_FIELD_ERRORS]]
    # The rejected values themselves are not repeated: they may be personal data.
    count = "One part" if len(found) == 1 else f"{len(found)} parts"
    return Invalid(f"{count} of the request cannot be accepted.", errors=errors)


def _pointer(location: Sequence[Any]) -> str:
    """`("body", "emails", 0)` → `/emails/0` (RFC 6901); a parameter is named as it is."""
    place, *path = location
    if place == "body":
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return ".".join(str(part) for part in path) or str(place)


async def answer_error(request: Request, error: Exception) -> Response:
    """FastAPI's handler for the errors it knows."""
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        error.headers = {"Allow": _allowed(request)}
    return answer(problem_of(error))


def _allowed(request: Request) -> str:
    """Every method of a path (RFC 9110 §10.2.1); the framework names those of its first route only."""
    routes = [route for route in request.app.router.routes if isinstance(route, Route)]
    methods = [route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for found in methods for method in found}))


def register_error_handlers(app: FastAPI) -> None:
    """Have an app tell its errors as problems; what is not handled here reaches the trace middleware."""
    for known in (Problem, RequestValidationError, HTTPException):
        app.add_exception_handler(known, answer_error)
