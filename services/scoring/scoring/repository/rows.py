"""Between rows of the driver and values of ours."""

import json
from collections.abc import Sequence
from typing import Any

import asyncpg
from pydantic import TypeAdapter

from contracts.event import Reason

REASONS: TypeAdapter[list[Reason]] = TypeAdapter(list[Reason])


def reasons_text(reasons: Sequence[Reason] | None) -> str | None:
    """Reasons as JSON; None stays unknown."""
    return None if reasons is None else REASONS.dump_json(list(reasons)).decode()


def selected(columns: Sequence[str], *, as_text: Sequence[str]) -> str:
    """A column list in which JSON comes as text, however the connection decodes JSON."""
    return ", ".join(f"{name}::text AS {name}" if name in as_text else name for name in columns)


def values_of(row: asyncpg.Record, *, parsed: Sequence[str] = ()) -> dict[str, Any]:
    """A row's columns by name; reasons as values and the named JSON columns parsed."""
    values = dict(row)
    if values.get("reasons") is not None:
        values["reasons"] = REASONS.validate_json(values["reasons"])
    for name in parsed:
        values[name] = json.loads(values[name])
    return values


def to_columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Rows as the array parameters of an UNNEST."""
    return [list(column) for column in zip(*rows, strict=True)]
