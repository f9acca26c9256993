"""NDJSON as blocks: flat records become columns of text; records that are whole bodies stay whole."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa

# The column that holds a record which is already a body of the API.
WHOLE = "*"
Broken = tuple[int, str, str]


def read_ndjson(
    file: BinaryIO, encoding: str, block_rows: int
) -> tuple[list[str], Iterator[tuple[int, pa.RecordBatch, list[Broken]]]]:
    """The columns of the first block, and all blocks as (number of the first row, columns, broken rows)."""
    blocks = _blocks(file, encoding, block_rows)
    first = next(blocks)

    def again() -> Iterator[tuple[int, pa.RecordBatch, list[Broken]]]:
        yield first
        yield from blocks

    return first[1].schema.names, again()


def _blocks(file: BinaryIO, encoding: str, block_rows: int) -> Iterator[tuple[int, pa.RecordBatch, list[Broken]]]:
    start = number = 1
    records: list[dict[str, Any]] = []
    broken: list[Broken] = []
    for raw in file:
        line = raw.decode(encoding).strip()
        if line:
            _read(line, number, records, broken)
            number += 1
        if number - start >= block_rows:
            yield start, _columns(records), broken
            start, records, broken = number, [], []
    if number > start or start == 1:
        yield start, _columns(records), broken


def _read(line: str, number: int, records: list[dict[str, Any]], broken: list[Broken]) -> None:
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        broken.append((number, f"It is not JSON: {error}", line))
        return
    if not isinstance(record, dict):
        broken.append((number, "It is not a JSON object.", line))
    elif isinstance(record.get("customer"), dict) or isinstance(record.get("external_ids"), list):
        records.append({WHOLE: line})
    else:
        records.append(record)


def _columns(records: list[dict[str, Any]]) -> pa.RecordBatch:
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = {name: pa.array([_text(record.get(name)) for record in records], pa.string()) for name in names}
    return (
        pa.RecordBatch.from_pydict(columns) if names else pa.RecordBatch.from_pydict({WHOLE: pa.array([], pa.string())})
    )


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
