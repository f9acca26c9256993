"""Cursors come back as they went out, and nothing else is taken for one."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.cursors import BadCursor, decode_cursor, encode_cursor

AN_ID = UUID("01890000-0000-7000-8000-000000000001")


def test_a_cursor_carries_times_ids_and_numbers() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    assert decode_cursor(encode_cursor([at, AN_ID, 1.5, "x"]), datetime, UUID, float, str) == [at, AN_ID, 1.5, "x"]


@pytest.mark.parametrize(
    "parts",
    [
        ["no time", str(AN_ID)],
        ["2026-01-01T00:00:00", str(AN_ID)],
        ["0001-01-01T00:00:00+14:00", str(AN_ID)],
        [1, str(AN_ID)],
        [],
        ["x", "y", "z"],
        [None, 3],
    ],
)
def test_a_cursor_of_another_shape_is_refused(parts: list[object]) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(encode_cursor(parts), datetime, UUID)


@pytest.mark.parametrize("part", [True, 2**63, "text", 1.0])
def test_a_number_that_no_column_holds_is_refused(part: object) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(encode_cursor([part]), int)


@given(st.text(max_size=60))
def test_garbage_is_refused_and_never_an_error_of_ours(text: str) -> None:
    try:
        decode_cursor(text, datetime, UUID)
    except BadCursor:
        return
    pytest.fail("garbage was taken for a cursor")
