"""Files as blocks of columns: CSV, NDJSON and Parquet, streamed, so that memory does not grow with the file."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from standalone.errors import Refusal
from standalone.importing.ndjson import read_ndjson

BLOCK_ROWS = 50_000
_CSV_BLOCK_BYTES = 8_000_000
_LOOK_BYTES = 1_000_000
_DELIMITERS = ",;\t|"


@dataclass
class Block:
    """Consecutive rows. `first` is the number of the first, from 1; `broken` are those no columns could be read of."""

    first: int
    table: pa.RecordBatch
    broken: list[tuple[int, str, str]] = field(default_factory=list)

    @property
    def numbers(self) -> list[int]:
        """The number of each row of the table: broken ones are counted, but not in it."""
        skipped = {number for number, _, _ in self.broken}
        numbers = range(self.first, self.first + self.table.num_rows + len(skipped))
        return [number for number in numbers if number not in skipped] if skipped else list(numbers)


@dataclass
class Rows:
    """A file that can be read: its columns, its blocks in order, and remarks on how it is read."""

    columns: list[str]
    blocks: Iterator[Block]
    share_read: Callable[[], float]
    close: Callable[[], None]
    remarks: list[str] = field(default_factory=list)


def open_rows(path: Path) -> Rows:
    """Open a file by what it holds, whatever its name says. Raises Refusal with the reason if it cannot be used."""
    if not path.is_file():
        raise Refusal(f"{path} is not there." if not path.exists() else f"{path} is not a file.")
    with path.open("rb") as file:
        start = file.read(_LOOK_BYTES)
    if not start.strip():
        raise Refusal(f"{path} is empty.")
    if start[:4] == b"PAR1":
        return _open_parquet(path)
    if start[:2] == b"\x1f\x8b":
        raise Refusal(f"{path} is compressed: unpack it first (gunzip {path.name}).")
    if b"\0" in start:
        raise Refusal(f"{path} is neither CSV, NDJSON nor Parquet: it holds binary data.")
    encoding, remarks = encoding_of(path)
    if start.lstrip(codecs.BOM_UTF8).lstrip()[:1] == b"{":
        return _open_ndjson(path, encoding, remarks)
    return _open_csv(path, encoding, remarks)


def encoding_of(path: Path) -> tuple[str, list[str]]:
    """UTF-8 if the whole file is; else Windows-1252, with a remark."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        begins_with_mark = file.read(3) == codecs.BOM_UTF8
        file.seek(0)
        try:
            while chunk := file.read(_LOOK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252", [f"{path.name} is not UTF-8; it is read as Windows-1252 (Western European)."]
    return ("utf-8-sig" if begins_with_mark else "utf-8"), []


def _open_parquet(path: Path) -> Rows:
    try:
        file = parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise Refusal(f"{path} begins like Parquet but cannot be read: {error}") from error
    total = file.metadata.num_rows
    if total == 0:
        raise Refusal(f"{path} has no rows.")
    read = 0

    def blocks() -> Iterator[Block]:
        nonlocal read
        for batch in file.iter_batches(batch_size=BLOCK_ROWS):
            yield Block(read + 1, batch)
            read += batch.num_rows

    return Rows(file.schema_arrow.names, blocks(), lambda: read / total, file.close)


def _open_ndjson(path: Path, encoding: str, remarks: list[str]) -> Rows:
    size = path.stat().st_size
    file = path.open("rb")
    first_columns, blocks = read_ndjson(file, encoding, BLOCK_ROWS)
    found = (Block(first, table, broken) for first, table, broken in blocks)
    return Rows(first_columns, found, lambda: min(file.tell() / size, 1.0), file.close, remarks)


def _open_csv(path: Path, encoding: str, remarks: list[str]) -> Rows:
    with path.open(encoding=encoding, errors="replace", newline="") as text:
        head = text.read(_LOOK_BYTES)
    delimiter = delimiter_of(head)
    header = next(csv.reader(io.StringIO(head), delimiter=delimiter))
    columns = [name.strip() for name in header]
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise Refusal(f"{path}: the column {twice[0] or '(without a name)'} is there more than once.")
    broken: list[tuple[int, str, str]] = []
    size = path.stat().st_size
    file = path.open("rb")
    try:
        reader = _csv_reader(file, columns, (encoding, delimiter), broken)
    except pa.ArrowInvalid as error:
        file.close()
        raise Refusal(f"{path} cannot be read: {error}") from error
    blocks = _csv_blocks(reader, broken, path)
    return Rows(columns, blocks, lambda: 1.0 if file.closed else min(file.tell() / size, 1.0), file.close, remarks)


def _csv_reader(
    file: Any, columns: list[str], form: tuple[str, str], broken: list[tuple[int, str, str]]
) -> arrow_csv.CSVStreamingReader:
    def note(row: Any) -> str:
        # The header is the first row the parser counts.
        broken.append((row.number - 1, f"It has {row.actual_columns} columns, not {row.expected_columns}.", row.text))
        return "skip"

    encoding, delimiter = form
    return arrow_csv.open_csv(
        file,
        read_options=arrow_csv.ReadOptions(
            block_size=_CSV_BLOCK_BYTES, use_threads=False, column_names=columns, skip_rows=1,
            encoding="utf-8" if encoding == "utf-8-sig" else encoding,
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in columns}, strings_can_be_null=True, null_values=[""],
        ),
    )  # fmt: skip


def _csv_blocks(reader: Any, broken: list[tuple[int, str, str]], path: Path) -> Iterator[Block]:
    first = 1
    try:
        for batch in reader:
            skipped, broken[:] = list(broken), []
            yield Block(first, batch, skipped)
            first += batch.num_rows + len(skipped)
    except pa.ArrowInvalid as error:
        raise Refusal(f"{path} cannot be read past row {first - 1}: {error}") from error
    if broken:
        yield Block(first, pa.RecordBatch.from_pydict({}), list(broken))


def delimiter_of(head: str) -> str:
    """The delimiter that cuts the first lines into the most columns, alike in each."""
    rows = head.splitlines()[:20]

    def quality(delimiter: str) -> tuple[int, int]:
        counts = [len(row) for row in csv.reader(rows, delimiter=delimiter) if row]
        common, times = Counter(counts).most_common(1)[0] if counts else (1, 0)
        return (times if common > 1 else 0, common)

    return max(_DELIMITERS, key=quality)
