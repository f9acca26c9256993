"""The list of customers: newest first, by keyset."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from customer.repository.reading import IDENTIFIERS, PROFILE

# The index knows words by three letters in a row; of a shorter text it knows only that a word begins with it.
_SHORTEST_INNER = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which customers, and after which one. Who may not see personal data does not search in it either."""

    text: str | None
    in_personal_data: bool
    tier: str | None
    stage: str | None
    after: tuple[datetime, UUID] | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One customer of a page and its place in the order."""

    body: str
    created_at: datetime
    id: UUID


async def list_customers(connection: asyncpg.Connection, wanted: Wanted, *, limit: int) -> list[Listed]:
    """At most `limit` customers."""
    conditions, parameters = _conditions(wanted)
    parameters.append(limit)
    rows = await connection.fetch(
        f"WITH asked AS (SELECT c.id, c.created_at FROM customers AS c WHERE {' AND '.join(conditions)} "
        f"ORDER BY c.created_at DESC, c.id DESC LIMIT ${len(parameters)}) "
        f"SELECT {PROFILE}::text AS body, c.created_at, c.id FROM asked JOIN customers AS c ON c.id = asked.id "
        f"{IDENTIFIERS} ORDER BY c.created_at DESC, c.id DESC",
        *parameters,
    )
    return [Listed(row["body"], row["created_at"], row["id"]) for row in rows]


def _conditions(wanted: Wanted) -> tuple[list[str], list[Any]]:
    conditions = ["c.survivor_id IS NULL"]
    parameters: list[Any] = []

    def add(condition: str, *values: Any) -> None:
        numbers = range(len(parameters) + 1, len(parameters) + len(values) + 1)
        conditions.append(condition.format(*(f"${number}" for number in numbers)))
        parameters.extend(values)

    if wanted.text is not None and wanted.in_personal_data:
        sought = _literal(wanted.text.lower())
        if len(wanted.text) < _SHORTEST_INNER:
            add("(c.search LIKE {}::text OR c.search LIKE {}::text)", f"%\n{sought}%", f"% {sought}%")
        else:
            add("c.search LIKE {}::text", f"%{sought}%")
    elif wanted.text is not None:
        add(
            "c.id IN (SELECT customer_id FROM identifiers WHERE kind = 'external' AND value LIKE {}::text)",
            f"{_literal(wanted.text)}%",
        )
    for measure in ("tier", "stage"):
        if (value := getattr(wanted, measure)) is not None:
            add(f"EXISTS (SELECT FROM standings AS s WHERE s.customer_id = c.id AND s.{measure} = {{}}::text)", value)
    if wanted.after is not None:
        add("(c.created_at, c.id) < ({}::timestamptz, {}::uuid)", *wanted.after)
    return conditions, parameters


def _literal(text: str) -> str:
    """Text that LIKE takes as it stands."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
