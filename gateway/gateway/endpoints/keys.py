"""API keys: issue, list, revoke."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, encode_cursor
from chassis.database import after_commit
from chassis.dependencies import CallerIdentity, ReadSession, requires
from chassis.errors import FieldError, Invalid
from chassis.routing import Router
from gateway import repository
from gateway.parts import PartsDep
from gateway.schemas import IssuedKey, IssueKey, Key
from gateway.service import issue_key, revoke_key

keys_router = Router(prefix="/v1/keys")


async def _write_session(parts: PartsDep) -> AsyncIterator[AsyncSession]:
    # Without the chassis's Idempotency-Key: its kept answer would store the secret in the clear.
    async with parts.database.write() as session:
        after_commit(session, parts.keys.forget)
        yield session


KeysSession = Annotated[AsyncSession, Depends(_write_session, scope="function")]


@keys_router.post("", status_code=201, dependencies=[requires("ops")])
async def issue(body: IssueKey, parts: PartsDep, session: KeysSession, caller: CallerIdentity) -> IssuedKey:
    """Issue a key; it is shown in this answer and never again. An `Idempotency-Key` is not kept here."""
    now = parts.clock.system_now()
    if body.expires_at is not None and body.expires_at <= now:
        raise Invalid(
            "The key would have expired already.", errors=[FieldError("/expires_at", "must be in the future")]
        )
    key, credentials = await issue_key(
        session, name=body.name, scopes=body.scopes, expires_at=body.expires_at, issuer=caller, now=now
    )
    return IssuedKey(
        id=key.id, name=key.name, prefix=key.prefix, scopes=key.scopes, created_by=key.created_by, created_at=now,
        updated_at=now, expires_at=key.expires_at, revoked_at=None, key=str(credentials),
    )  # fmt: skip


@keys_router.get("", dependencies=[requires("ops")])
async def list_keys(session: ReadSession, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> Page[Key]:
    """List keys, the oldest first, revoked ones included; without their secrets."""
    after = tuple(decode_cursor(cursor, datetime, UUID)) if cursor else None
    rows = await repository.list_keys(session, after=after, limit=limit + 1)
    keys = [Key.model_validate(row, from_attributes=True) for row in rows]
    following = encode_cursor([keys[limit - 1].created_at, keys[limit - 1].id]) if len(keys) > limit else None
    return Page(items=keys[:limit], next_cursor=following)


@keys_router.delete("/{id}", status_code=204, dependencies=[requires("ops")])
async def revoke(id: UUID, parts: PartsDep, session: KeysSession, caller: CallerIdentity) -> None:  # noqa: A002
    """Revoke a key; it stops working at once in this gateway, and within 5 seconds in any other."""
    await revoke_key(session, id, revoker=caller, now=parts.clock.system_now())
