"""Reading a request's body strictly: no more than the route accepts, only what JSON has, only what can be stored."""

import json
import re
from typing import Any, NoReturn

from fastapi import Request
from starlette.types import Message, Receive

from chassis.errors import TooLarge, UnstorableValue

_NULL = re.compile(rb"\\u0000")
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


class StrictRequest(Request):
    """A request whose body is counted while it streams, and whose JSON has no NaN (RFC 8259 §6)."""

    def __init__(self, request: Request, limit: int) -> None:
        super().__init__(request.scope, _capped(request.receive, limit))

    async def json(self) -> Any:
        """The parsed body. Raises ValueError when it is not JSON in UTF-8."""
        return _DECODER.decode((await self.body()).decode())


def refuse_unstorable(body: bytes) -> None:
    """Refuse text that is legal JSON but that no text column can hold: U+0000 and lone surrogates."""
    if b"\\u" not in body:
        return
    # An escaped backslash before a `u` begins no escape.
    escapes = body.replace(rb"\\", b" ")
    if _NULL.search(escapes):
        raise UnstorableValue("The character U+0000 cannot be stored.")
    if _LONE_SURROGATE.search(escapes):
        raise UnstorableValue("Half of a surrogate pair is no character and cannot be stored.")


def _capped(receive: Receive, limit: int) -> Receive:
    received = 0

    async def receive_counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise TooLarge(f"This route accepts at most {limit} bytes.")
        return message

    return receive_counted


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not a JSON value", "", 0)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
