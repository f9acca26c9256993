"""Every model version there ever was, and which of them serve."""

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from scoring.domain.artefact import SignedArtefact
from scoring.models import ModelRow
from scoring.repository.rows import selected, values_of

_COLUMNS = selected([field.name for field in fields(ModelRow)], as_text=("report", "parameters"))
_SELECT = f"SELECT {_COLUMNS} FROM models"


async def add(connection: asyncpg.Connection, model: dict[str, Any], artefact: SignedArtefact) -> ModelRow:
    """Register a candidate under the next number of its kind."""
    # Numbers have no gaps or doubles only if they are given out one at a time.
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('scoring_models'))")
    row = await connection.fetchrow(
        "INSERT INTO models (id, kind, variant, number, state, report, parameters, data_hash, content, sha256, "
        "signature, created_at, updated_at) SELECT $1, $2, $3, coalesce(max(number), 0) + 1, 'candidate', $4, $5, $6, "
        f"$7, $8, $9, $10, $10 FROM models WHERE kind = $2 RETURNING {_COLUMNS}",
        model["id"], model["kind"], model["variant"], json.dumps(model["report"]), json.dumps(model["parameters"]),
        model["data_hash"], artefact.content, artefact.sha256, artefact.signature, model["created_at"],
    )  # fmt: skip
    return _model(row)


async def promote(connection: asyncpg.Connection, model: ModelRow, *, at: datetime) -> ModelRow:
    """Make a model the one that serves its variant; the one before retires."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('scoring_models'))")
    await connection.execute(
        "UPDATE models SET state = 'retired', updated_at = $3 WHERE kind = $1 AND variant = $2 AND state = 'champion' "
        "AND id <> $4",
        model.kind, model.variant, at, model.id,
    )  # fmt: skip
    row = await connection.fetchrow(
        f"UPDATE models SET state = 'champion', promoted_at = $2, updated_at = $2 WHERE id = $1 RETURNING {_COLUMNS}",
        model.id, at,
    )  # fmt: skip
    return _model(row)


async def find(connection: asyncpg.Connection, model_id: UUID) -> ModelRow | None:
    """One model version."""
    row = await connection.fetchrow(f"{_SELECT} WHERE id = $1", model_id)
    return None if row is None else _model(row)


async def find_by_content(connection: asyncpg.Connection, *, kind: str, sha256: str) -> ModelRow | None:
    """The version with exactly these bytes."""
    row = await connection.fetchrow(
        f"{_SELECT} WHERE kind = $1 AND sha256 = $2 ORDER BY number DESC LIMIT 1", kind, sha256
    )
    return None if row is None else _model(row)


async def list_page(
    connection: asyncpg.Connection, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[ModelRow]:
    """Model versions, the newest first."""
    at, model_id = before or (None, None)
    rows = await connection.fetch(
        f"{_SELECT} WHERE $1::timestamptz IS NULL OR (created_at, id) < ($1, $2) "
        "ORDER BY created_at DESC, id DESC LIMIT $3",
        at, model_id, limit,
    )  # fmt: skip
    return [_model(row) for row in rows]


async def list_serving(connection: asyncpg.Connection) -> dict[tuple[str, str], UUID]:
    """The champions by (kind, variant)."""
    rows = await connection.fetch("SELECT kind, variant, id FROM models WHERE state = 'champion'")
    return {(row["kind"], row["variant"]): row["id"] for row in rows}


async def list_artefacts(connection: asyncpg.Connection, model_ids: Sequence[UUID]) -> list[asyncpg.Record]:
    """(id, kind, variant, number, content, signature) of models, to be verified before use."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT id, kind, variant, number, content, signature FROM models WHERE id = ANY($1)", list(model_ids)
    )
    return rows


def _model(row: asyncpg.Record) -> ModelRow:
    return ModelRow(**values_of(row, parsed=("report", "parameters")))
