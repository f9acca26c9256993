"""`Idempotency-Key` on POST: one effect for one key, however often it arrives.

Source: draft-ietf-httpapi-idempotency-key-header.

Claim, effect and kept answer are one transaction. The claim is a transaction's advisory lock, so a process that dies
frees it at once; the kept answer commits with the effect, so there is never one without the other.
"""

import asyncio
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import Database
from chassis.errors import BadRequest, Conflict, Invalid
from chassis.worker import pause

HEADER = "idempotency-key"
REPLAYED = "Idempotency-Replayed"
KEPT_HOURS = 24
_PRUNE_EVERY_SECONDS = 900.0
# Printable ASCII: a header value, and a text PostgreSQL can hold.
KEY_PATTERN = r"^[ -~]{1,255}$"
_KEY = re.compile(KEY_PATTERN)


class BadIdempotencyKey(BadRequest):
    """The key is empty, too long, or not printable ASCII."""

    code, title = "bad_idempotency_key", "The Idempotency-Key cannot be used"


class IdempotencyKeyInUse(Conflict):
    """The first request with this key is still running."""

    code, title = "idempotency_key_in_use", "A request with this Idempotency-Key is still running"


class IdempotencyKeyReused(Invalid):
    """The key came before with another request."""

    code, title = "idempotency_key_reused", "The Idempotency-Key came before with another request"


class Replayed(Exception):
    """Not an error: the effect is already there, and this is the answer that was given then."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that this request's transaction holds."""

    session: AsyncSession
    scope: str
    key: str
    request_hash: bytes

    async def keep(self, response: Response) -> None:
        """Store a successful answer in the transaction of its effect; a streamed one cannot be kept."""
        body = getattr(response, "body", None)
        if not 200 <= response.status_code < 300 or body is None:
            return
        headers = [(name, value) for name, value in response.headers.items() if name != "content-length"]
        await self.session.execute(
            text(
                "INSERT INTO idempotency (scope, key, request_hash, status, headers, body) "
                "VALUES (:scope, :key, :hash, :status, CAST(:headers AS jsonb), :body) ON CONFLICT (scope, key) "
                "DO UPDATE SET request_hash = excluded.request_hash, status = excluded.status, "
                "headers = excluded.headers, body = excluded.body, created_at = excluded.created_at"
            ),
            {
                "scope": self.scope, "key": self.key, "hash": self.request_hash, "status": response.status_code,
                "headers": json.dumps(headers), "body": bytes(body),
            },
        )  # fmt: skip


async def claim(request: Request, session: AsyncSession, *, subject: str) -> Claim | None:
    """Claim the request's key for this transaction; None without a key.

    Raises Replayed with the kept answer, IdempotencyKeyInUse (409) or IdempotencyKeyReused (422).
    """
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST":
        return None
    if not _KEY.match(key):
        raise BadIdempotencyKey("Send 1 to 255 printable ASCII characters.")
    held = Claim(session, f"{subject}\n{request.url.path}", key, await _hash_of(request))
    if not await session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"{held.scope}\n{key}"}
    ):
        raise IdempotencyKeyInUse("Wait for its answer, then send it again to read the same.")
    await _replay_if_kept(held)
    return held


async def _replay_if_kept(held: Claim) -> None:
    found = await _kept_answer(held)
    if found is None:
        return
    if bytes(found.request_hash) != held.request_hash:
        raise IdempotencyKeyReused("Use a new key for a new request.")
    response = Response(bytes(found.body), status_code=found.status)
    for name, value in json.loads(found.headers):
        response.headers.append(name, value)
    response.headers[REPLAYED] = "true"
    raise Replayed(response)


async def _kept_answer(held: Claim) -> Any:
    """The kept answer, if it is not older than a day."""
    found = await held.session.execute(
        text(
            "SELECT request_hash, status, headers::text AS headers, body FROM idempotency WHERE scope = :scope "
            "AND key = :key AND created_at > clock_timestamp() - make_interval(hours => :hours)"
        ),
        {"scope": held.scope, "key": held.key, "hours": KEPT_HOURS},
    )
    return found.one_or_none()


async def _hash_of(request: Request) -> bytes:
    body = await request.body()
    told = f"{request.url.query}\n{request.headers.get('content-type', '')}\n".encode()
    return hashlib.sha256(told + body).digest()


async def prune_idempotency(session: AsyncSession) -> None:
    """Forget answers older than a day; dated by the system clock."""
    await session.execute(
        text("DELETE FROM idempotency WHERE created_at < clock_timestamp() - make_interval(hours => :hours)"),
        {"hours": KEPT_HOURS},
    )


class IdempotencyPruner:
    """A worker that prunes now and then."""

    def __init__(self, database: Database) -> None:
        self.name = f"{database.name}-idempotency-pruner"
        self._database = database

    async def run(self, stop: asyncio.Event) -> None:
        """Prune until told to stop."""
        while not stop.is_set():
            async with self._database.write() as session:
                await prune_idempotency(session)
            await pause(stop, _PRUNE_EVERY_SECONDS)
