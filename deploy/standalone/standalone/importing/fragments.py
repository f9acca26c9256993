"""Columns turned into columns of JSON text, all rows at once, without a Python object for each of millions of cells."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
NO_ZONE = "The time has no zone: name one with --time-zone."
_FORMATS = (
    "%Y%m%d",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
)
_TEXT = pa.string()


@dataclass
class Faults:
    """Why rows of a block cannot be sent; the first reason of each counts."""

    reasons: dict[int, str] = field(default_factory=dict)

    def add(self, mask: Any, reason: str) -> None:
        """Note the rows where a mask is true."""
        for place in np.flatnonzero(np.asarray(mask)):
            self.reasons.setdefault(int(place), reason)


@dataclass
class Numbers:
    """A column of numbers, as JSON (null where missing) and as floats (NaN where missing)."""

    json: pa.Array
    values: Any


def plain_text(column: pa.Array) -> pa.Array:
    """A column as trimmed text, null where empty; whole floats without their `.0`, as ids that met a gap have them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        values = column.drop_null().to_numpy()
        if np.all(np.isfinite(values)) and np.all(values == np.floor(values)) and np.all(np.abs(values) < 2**53):
            column = column.cast(pa.int64(), safe=False)
    text = pc.utf8_trim_whitespace(column.cast(_TEXT))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, _TEXT), text)


def quoted(text: pa.Array) -> pa.Array:
    """Text as JSON strings."""
    if pc.any(pc.match_substring_regex(text, r"[\x00-\x1f]")).as_py():
        return pa.array([None if one is None else msgspec.json.encode(one).decode() for one in text.to_pylist()], _TEXT)
    escaped = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), '"', '\\"')
    return pc.binary_join_element_wise('"', escaped, '"', "")


def text_json(column: pa.Array) -> pa.Array:
    """A column of anything as JSON strings, null where empty."""
    return quoted(plain_text(column))


def number_json(column: pa.Array, name: str, faults: Faults, *, decimal_comma: bool = False) -> Numbers:
    """A column of numbers; what is none is a fault."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        values = column.cast(pa.float64(), safe=False)
        finite = pc.is_finite(values)
        json = pc.if_else(finite, column.cast(_TEXT), pa.scalar(None, _TEXT))
        return Numbers(json, _floats(values))
    text = plain_text(column)
    if decimal_comma:
        text = pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
    good = pc.match_substring_regex(text, _NUMBER)
    faults.add(pc.fill_null(pc.invert(good), False), f"{name} is not a number.")
    text = pc.if_else(good, pc.utf8_ltrim(text, "+"), pa.scalar(None, _TEXT))
    return Numbers(pc.binary_join_element_wise('"', text, '"', ""), _floats(text.cast(pa.float64())))


def _floats(column: pa.Array) -> Any:
    return column.to_numpy(zero_copy_only=False).astype(float)


def floats_json(values: Any) -> pa.Array:
    """Floats as JSON numbers with at most six decimals; null for NaN."""
    return pc.if_else(
        pa.array(np.isnan(values)), pa.scalar(None, _TEXT), pa.array(np.round(values, 6) + 0.0).cast(_TEXT)
    )


def time_json(column: pa.Array, faults: Faults, *, time_zone: str | None, time_format: str | None) -> pa.Array:
    """A column of times as JSON strings in UTC; what is no time, or has no zone where none is given, is a fault."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    if not pa.types.is_timestamp(column.type):
        column = _parsed(plain_text(column), faults, time_zone=time_zone, time_format=time_format)
    if column.type.tz is None:
        if time_zone is None:
            faults.add(pc.is_valid(column), NO_ZONE)
            return pa.nulls(len(column), _TEXT)
        column = _in_zone(column, time_zone)
    column = column.cast(pa.timestamp("us", "UTC"), safe=False)
    seconds = column.cast(pa.timestamp("s", "UTC"), safe=False)
    whole = pc.all(pc.equal(column, seconds.cast(column.type))).as_py()
    text = (seconds if whole else column).cast(_TEXT)
    return pc.binary_join_element_wise('"', pc.replace_substring(text, " ", "T"), '"', "")


def _in_zone(column: pa.Array, time_zone: str) -> pa.Array:
    if time_zone == "UTC":
        return column.cast(pa.timestamp(column.type.unit, "UTC"))
    return pc.assume_timezone(column, time_zone, ambiguous="earliest", nonexistent="earliest")


def _parsed(text: pa.Array, faults: Faults, *, time_zone: str | None, time_format: str | None) -> pa.Array:
    if time_format is None:
        for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
            try:
                return text.cast(kind)
            except pa.ArrowInvalid:
                continue
    zone = None if time_zone is None else ZoneInfo(time_zone)
    found: list[datetime | None] = []
    for place, one in enumerate(text.to_pylist()):
        at = None if one is None else read_time(one, zone, time_format)
        if one is not None and at is None:
            unzoned = zone is None and read_time(one, ZoneInfo("UTC"), time_format) is not None
            reason = NO_ZONE if unzoned else "The time cannot be read."
            faults.reasons.setdefault(place, reason)
        found.append(at)
    return pa.array(found, pa.timestamp("us", "UTC"))


def read_time(text: str, zone: ZoneInfo | None, time_format: str | None = None) -> datetime | None:
    """A time as UTC; None for what is none, or has no zone where none is given."""
    at = None
    for form in (time_format,) if time_format else (None, *_FORMATS):
        try:
            # The zone is added below, where the text names none.
            at = datetime.fromisoformat(text) if form is None else datetime.strptime(text, form)  # noqa: DTZ007
            break
        except ValueError:
            continue
    if at is None or (at.tzinfo is None and zone is None):
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)


def literal(text: str) -> str:
    """A text as a JSON string."""
    return msgspec.json.encode(text).decode()


def named(name: str, json: pa.Array) -> pa.Array:
    """`"name":value`, null where the value is."""
    return pc.binary_join_element_wise(pa.scalar(f"{literal(name)}:", _TEXT), json, "")


def objects(members: Sequence[pa.Array]) -> pa.Array:
    """JSON objects of members, leaving out those that are null."""
    return pc.binary_join_element_wise(open_objects(members), "}", "")


def open_objects(members: Sequence[pa.Array]) -> pa.Array:
    """The same without the closing brace, so that more can be added."""
    # Arrow drops a row whose values are all null, so the brace is among them; its comma is taken out again.
    joined = pc.binary_join_element_wise("{", *members, ",", null_handling="skip")
    return pc.binary_replace_slice(joined, start=0, stop=2, replacement="{")


def constant(json: str, count: int) -> pa.Array:
    """The same JSON for each row."""
    return pa.repeat(pa.scalar(json, _TEXT), count)
