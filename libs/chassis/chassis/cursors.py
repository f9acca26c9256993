"""Pages of a list: a cursor is the sort key of the last item shown, opaque to the caller."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from chassis.errors import BadRequest

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=200, description="Items a page; at most 200")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before")]

DEFAULT_LIMIT = 50


class BadCursor(BadRequest):
    """Not a cursor we gave out."""

    code, title = "bad_cursor", "The cursor is not one that was given out"


class Page(BaseModel, Generic[T]):
    """One page of a list; no `next_cursor` on the last one."""

    items: list[T]
    next_cursor: str | None = None


def encode_cursor(parts: list[Any]) -> str:
    """A list of plain values, times and ids as an opaque text."""
    text = json.dumps(parts, separators=(",", ":"), default=_plain)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The parts of a cursor, each read as the given kind (datetime, UUID, int, float, str). Raises BadCursor."""
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(parts, list) or (kinds and len(parts) != len(kinds)):
            raise BadCursor
        return [_read(part, kind) for part, kind in zip(parts, kinds, strict=True)] if kinds else parts
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise BadCursor from error


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _read(part: Any, kind: type) -> Any:
    if kind is datetime:
        at = datetime.fromisoformat(part)
        if at.tzinfo is None:
            raise BadCursor
        return at.astimezone(UTC)
    if kind is UUID:
        return UUID(part)
    if kind is float and isinstance(part, int):
        return float(part)
    if part is not None and (not isinstance(part, kind) or (isinstance(part, bool) and kind is not bool)):
        raise BadCursor
    if (isinstance(part, str) and "\0" in part) or (isinstance(part, int) and abs(part) >= 2**63):
        raise BadCursor
    return part
