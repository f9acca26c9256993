"""The one alert policy."""

import json
from datetime import datetime
from typing import Any

import asyncpg


async def find(connection: asyncpg.Connection, *, lock: bool = False) -> tuple[dict[str, Any], int] | None:
    """(policy, version); None while nobody changed the defaults."""
    row = await connection.fetchrow(
        f"SELECT policy::text AS policy, version FROM alert_policy {'FOR UPDATE' if lock else ''}"
    )
    return None if row is None else (json.loads(row["policy"]), row["version"])


async def save(connection: asyncpg.Connection, policy: dict[str, Any], *, version: int, at: datetime) -> bool:
    """Store a policy as the given version; False when somebody else stored that version first."""
    done = await connection.execute(
        "INSERT INTO alert_policy (policy, version, created_at, updated_at) VALUES ($1, $2, $3, $3) ON CONFLICT (one) "
        "DO UPDATE SET policy = excluded.policy, version = excluded.version, updated_at = excluded.updated_at "
        "WHERE alert_policy.version = excluded.version - 1",
        json.dumps(policy), version, at,
    )  # fmt: skip
    return bool(done.endswith(" 1"))
