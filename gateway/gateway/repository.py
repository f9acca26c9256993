"""Every query of the gateway: keys, and the audit trail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import AsyncReadSession, raw_connection

_SHOWN = "id, name, prefix, scopes, created_by, created_at, updated_at, expires_at, revoked_at"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key that was not revoked, as the door needs it."""

    id: UUID
    prefix: str
    secret_hash: bytes
    scopes: frozenset[str]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key about to be stored."""

    id: UUID
    name: str
    prefix: str
    secret_hash: bytes
    scopes: list[str]
    created_by: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One write: who did what, when, and what became of it."""

    at: datetime
    subject: str
    method: str
    path: str
    status: int
    trace_id: str


async def list_usable_keys(session: AsyncReadSession) -> list[StoredKey]:
    """All keys that are not revoked."""
    rows = await session.execute(
        text("SELECT id, prefix, secret_hash, scopes, expires_at FROM api_keys WHERE revoked_at IS NULL")
    )
    return [StoredKey(row.id, row.prefix, row.secret_hash, frozenset(row.scopes), row.expires_at) for row in rows]


async def list_keys(
    session: AsyncReadSession, *, after: tuple[object, ...] | None, limit: int
) -> Sequence[Row[tuple[object, ...]]]:
    """A page of keys, oldest first, revoked ones included; without their hashes."""
    created_at, key_id = after or (None, None)
    rows = await session.execute(
        text(
            f"SELECT {_SHOWN} FROM api_keys "
            "WHERE CAST(:created_at AS timestamptz) IS NULL OR (created_at, id) > (:created_at, :id) "
            "ORDER BY created_at, id LIMIT :limit"
        ),
        {"created_at": created_at, "id": key_id, "limit": limit},
    )
    return rows.all()


async def add_key(session: AsyncSession, key: NewKey) -> None:
    """Store a new key."""
    await session.execute(
        text(
            "INSERT INTO api_keys (id, name, prefix, secret_hash, scopes, created_by, created_at, updated_at, "
            "expires_at) VALUES (:id, :name, :prefix, :secret_hash, :scopes, :created_by, :created_at, :created_at, "
            ":expires_at)"
        ),
        {name: getattr(key, name) for name in NewKey.__slots__},
    )


async def lock_keys(session: AsyncSession) -> None:
    """Let nobody else add or revoke keys until this transaction ends; reading goes on."""
    await session.execute(text("LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE"))


async def find_key(session: AsyncSession, key_id: UUID) -> Row[tuple[object, ...]] | None:
    """One key, without its hash."""
    found = await session.execute(text(f"SELECT {_SHOWN} FROM api_keys WHERE id = :id"), {"id": key_id})
    return found.one_or_none()


async def count_admin_keys(session: AsyncSession, *, at: datetime) -> int:
    """How many keys with scope admin are usable at a time."""
    found = await session.scalar(
        text(
            "SELECT count(*) FROM api_keys WHERE 'admin' = ANY(scopes) AND revoked_at IS NULL "
            "AND (expires_at IS NULL OR expires_at > :at)"
        ),
        {"at": at},
    )
    return int(found or 0)


async def mark_revoked(session: AsyncSession, key_id: UUID, *, at: datetime) -> None:
    """Revoke a key; one that was revoked before keeps its first time."""
    await session.execute(
        text("UPDATE api_keys SET revoked_at = :at, updated_at = :at WHERE id = :id AND revoked_at IS NULL"),
        {"id": key_id, "at": at},
    )


async def add_audit_rows(session: AsyncSession, rows: Sequence[AuditRow]) -> None:
    """Append to the audit trail, in order."""
    connection = await raw_connection(session)
    await connection.copy_records_to_table(
        "audit",
        columns=AuditRow.__slots__,
        records=[tuple(getattr(row, name) for name in AuditRow.__slots__) for row in rows],
    )
