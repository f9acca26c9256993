"""Use cases on keys: issue one, revoke one, and make sure that somebody can come in at the first start."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from chassis.clock import Clock, SystemClock
from chassis.database import Database
from chassis.identity import Identity
from gateway import repository
from gateway.credentials import Credentials, mint
from gateway.errors import KeyDoesNotExist, LastAdminKey, ScopeNotHeld
from gateway.repository import NewKey
from gateway.scopes import ADMIN, lacking


async def issue_key(
    session: AsyncSession,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    issuer: Identity,
    now: datetime,
) -> tuple[NewKey, Credentials]:
    """Make a key that may do no more than its issuer. Raises ScopeNotHeld."""
    if missing := lacking(issuer.scopes, scopes):
        raise ScopeNotHeld(f"You cannot give what your own key lacks: {', '.join(missing)}.")
    credentials = mint()
    key = NewKey(
        id=uuid7(), name=name, prefix=credentials.prefix, secret_hash=credentials.digest,
        scopes=sorted(set(scopes)), created_by=issuer.subject, created_at=now, expires_at=expires_at,
    )  # fmt: skip
    await repository.add_key(session, key)
    return key, credentials


async def revoke_key(session: AsyncSession, key_id: UUID, *, revoker: Identity, now: datetime) -> None:
    """Take a key back; again does no harm. Raises KeyDoesNotExist, ScopeNotHeld, LastAdminKey."""
    await repository.lock_keys(session)
    key = await repository.find_key(session, key_id)
    if key is None:
        raise KeyDoesNotExist(f"There is no key {key_id}.")
    if missing := lacking(revoker.scopes, key.scopes):
        raise ScopeNotHeld(f"You cannot revoke a key that may do more than yours: {', '.join(missing)}.")
    await repository.mark_revoked(session, key_id, at=now)
    if ADMIN in key.scopes and await repository.count_admin_keys(session, at=now) == 0:
        raise LastAdminKey("Issue another key with scope admin first; without one nobody can issue keys any more.")


async def ensure_admin_key(
    database: Database, clock: Clock | None = None, *, keep: Callable[[str], None] = lambda _: None
) -> str | None:
    """The first admin key, in the clear, where no usable one exists; None where one does.

    `keep` is called with it before it becomes valid, so that no kill in between leaves a key that nobody knows.

    Safe to call from many processes at once: only one of them gets a key. Also the way back in when the last admin
    key has expired.
    """
    now = (clock or SystemClock()).system_now()
    async with database.write() as session:
        await repository.lock_keys(session)
        if await repository.count_admin_keys(session, at=now):
            return None
        _, credentials = await issue_key(
            session,
            name="first admin key", scopes=[ADMIN], expires_at=None,
            issuer=Identity(subject="first start", scopes=frozenset({ADMIN})), now=now,
        )  # fmt: skip
        keep(str(credentials))
    return str(credentials)
