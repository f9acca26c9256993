"""Partner endpoints and their secrets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.errors import EndpointDoesNotExist
from campaign.repository.query import Row, execute, fetch_all, fetch_one


async def add_endpoint(session: AsyncSession, endpoint: dict[str, Any]) -> Row:
    """Add an endpoint."""
    added = await fetch_one(
        session,
        "INSERT INTO webhook_endpoints "
        "(id, owner, url, event_types, payload, include_hold_out, created_at, updated_at) VALUES "
        "(:id, :owner, :url, :event_types, :payload, :include_hold_out, :at, :at) RETURNING *",
        **endpoint,
    )
    assert added is not None
    return added


async def get_endpoint(session: AsyncSession, endpoint_id: UUID, *, owner: str | None, lock: bool = False) -> Row:
    """One endpoint; `owner` None sees all. Raises EndpointDoesNotExist, also for somebody else's."""
    suffix = " FOR UPDATE" if lock else ""
    found = await fetch_one(
        session,
        "SELECT * FROM webhook_endpoints WHERE id = :id "
        f"AND (CAST(:owner AS text) IS NULL OR owner = :owner){suffix}",
        id=endpoint_id, owner=owner,
    )  # fmt: skip
    if found is None:
        raise EndpointDoesNotExist(f"There is no webhook endpoint {endpoint_id}.")
    return found


async def list_endpoints(session: AsyncSession, *, owner: str | None, after: UUID | None, limit: int) -> Sequence[Row]:
    """A page of endpoints, oldest first; `owner` None sees all."""
    return await fetch_all(
        session,
        "SELECT * FROM webhook_endpoints WHERE (CAST(:owner AS text) IS NULL OR owner = :owner) "
        "AND (CAST(:after AS uuid) IS NULL OR id > :after) ORDER BY id LIMIT :limit",
        owner=owner, after=after, limit=limit,
    )  # fmt: skip


async def list_enabled_endpoints(session: AsyncSession) -> Sequence[Row]:
    """All endpoints that receive."""
    return await fetch_all(session, "SELECT * FROM webhook_endpoints WHERE state = 'enabled'")


async def list_reachable_endpoints(session: AsyncSession, *, now: datetime) -> Sequence[Row]:
    """All endpoints that receive, with their valid secrets (sealed), the newest first."""
    return await fetch_all(
        session,
        "SELECT endpoint.id, url, payload, array_agg(sealed ORDER BY secret.created_at DESC, secret.id DESC) AS sealed "
        "FROM webhook_endpoints AS endpoint JOIN webhook_secrets AS secret ON secret.endpoint_id = endpoint.id "
        "WHERE state = 'enabled' AND (expires_at IS NULL OR expires_at > :now) GROUP BY endpoint.id",
        now=now,
    )


async def save_endpoint(session: AsyncSession, endpoint: dict[str, Any]) -> Row:
    """Write what may be changed of an endpoint that the caller has locked."""
    saved = await fetch_one(
        session,
        "UPDATE webhook_endpoints SET url = :url, event_types = :event_types, payload = :payload, "
        "include_hold_out = :include_hold_out, version = version + 1, updated_at = :at WHERE id = :id RETURNING *",
        **endpoint,
    )
    assert saved is not None
    return saved


async def delete_endpoint(session: AsyncSession, endpoint_id: UUID) -> None:
    """Delete an endpoint with its secrets and deliveries."""
    await execute(
        session,
        "DELETE FROM attempts USING deliveries WHERE delivery_id = deliveries.id AND endpoint_id = :id", id=endpoint_id,
    )  # fmt: skip
    await execute(session, "DELETE FROM deliveries WHERE endpoint_id = :id", id=endpoint_id)
    await execute(session, "DELETE FROM webhook_endpoints WHERE id = :id", id=endpoint_id)


async def mark_endpoint(
    session: AsyncSession, endpoint_id: UUID, *, state: str, cause: str | None, at: datetime
) -> Row | None:
    """Enable or disable an endpoint; None where it was so already."""
    return await fetch_one(
        session,
        "UPDATE webhook_endpoints SET state = :state, disabled_cause = :cause, failing_since = NULL, "
        "version = version + 1, updated_at = :at WHERE id = :id AND state <> :state RETURNING *",
        id=endpoint_id, state=state, cause=cause, at=at,
    )  # fmt: skip


async def add_secret(session: AsyncSession, secret: dict[str, Any]) -> None:
    """Add a sealed secret."""
    await execute(
        session,
        "INSERT INTO webhook_secrets (id, endpoint_id, sealed, created_at) VALUES (:id, :endpoint_id, :sealed, :at)",
        **secret,
    )


async def expire_secrets(session: AsyncSession, endpoint_id: UUID, *, at: datetime, now: datetime) -> None:
    """Have the present secrets end at a time; those that have ended are deleted."""
    await execute(
        session, "DELETE FROM webhook_secrets WHERE endpoint_id = :id AND expires_at <= :now", id=endpoint_id, now=now
    )
    await execute(
        session,
        "UPDATE webhook_secrets SET expires_at = :at WHERE endpoint_id = :id AND expires_at IS NULL",
        id=endpoint_id, at=at,
    )  # fmt: skip


async def mark_working(session: AsyncSession, endpoint_ids: Sequence[UUID]) -> None:
    """A success ends a run of failures."""
    await execute(
        session,
        "UPDATE webhook_endpoints SET failing_since = NULL WHERE id = ANY(:ids) AND failing_since IS NOT NULL",
        ids=list(endpoint_ids),
    )


async def mark_failing(session: AsyncSession, endpoint_ids: Sequence[UUID], *, at: datetime) -> dict[UUID, datetime]:
    """Remember when endpoints began to fail; returns since when each has."""
    await execute(
        session,
        "UPDATE webhook_endpoints SET failing_since = :at WHERE id = ANY(:ids) AND failing_since IS NULL",
        ids=list(endpoint_ids), at=at,
    )  # fmt: skip
    rows = await fetch_all(
        session, "SELECT id, failing_since FROM webhook_endpoints WHERE id = ANY(:ids)", ids=list(endpoint_ids)
    )
    return {row["id"]: row["failing_since"] for row in rows if row["failing_since"] is not None}
