"""Columns as JSON, names of columns, and rows joined to purchases."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from standalone.errors import Refusal
from standalone.importing.fragments import (
    Faults,
    named,
    number_json,
    objects,
    plain_text,
    read_time,
    text_json,
    time_json,
)
from standalone.importing.items import Item, Run, Window
from standalone.importing.keeping import Checkpoint, Keeper
from standalone.importing.mapping import CUSTOMER_FIELDS, INTERACTION_FIELDS, pairs, resolve
from standalone.importing.reading import delimiter_of, open_rows


def test_texts_are_escaped_whatever_they_hold() -> None:
    texts = ['a"b', "back\\slash", "line\nbreak", " trimmed ", "", None, "é"]
    told = text_json(pa.array(texts)).to_pylist()
    assert [None if one is None else json.loads(one) for one in told] == [
        'a"b', "back\\slash", "line\nbreak", "trimmed", None, None, "é",
    ]  # fmt: skip


def test_ids_that_became_floats_are_whole_again() -> None:
    assert plain_text(pa.array([17850.0, None])).to_pylist() == ["17850", None]
    assert plain_text(pa.array([1.5, 2.0])).to_pylist() == ["1.5", "2"]


@pytest.mark.parametrize(("text", "value"), [("1.5", 1.5), ("-2", -2.0), ("+3", 3.0), ("1e3", 1000.0), (" 4 ", 4.0)])
def test_numbers_are_read_as_people_write_them(text: str, value: float) -> None:
    faults = Faults()
    numbers = number_json(pa.array([text]), "amount", faults)
    assert (numbers.values[0], faults.reasons) == (value, {})
    assert float(json.loads(numbers.json[0].as_py())) == value


def test_what_is_no_number_is_a_fault_of_its_row() -> None:
    faults = Faults()
    numbers = number_json(pa.array(["1", "1,5", "", None, "NaN"]), "amount", faults)
    assert sorted(faults.reasons) == [1, 4]
    assert np.isnan(numbers.values[1:]).all()
    commas = number_json(pa.array(["1.234,5"]), "amount", Faults(), decimal_comma=True)
    assert commas.values[0] == 1234.5


def test_objects_leave_out_what_is_missing() -> None:
    members = [named("a", pa.array(["1", None])), named("b", pa.array(["2", None]))]
    assert objects(members).to_pylist() == ['{"a":1,"b":2}', "{}"]


@pytest.mark.parametrize(
    ("texts", "zone", "told"),
    [
        (["2024-01-01 10:00:00"], "Europe/Berlin", "2024-01-01T09:00:00Z"),
        (["2024-07-01"], "Europe/Berlin", "2024-06-30T22:00:00Z"),
        (["2024-01-01T10:00:00+02:00"], None, "2024-01-01T08:00:00Z"),
        (["19970101"], "UTC", "1997-01-01T00:00:00Z"),
        (["31/12/2010 08:26"], "UTC", "2010-12-31T08:26:00Z"),
    ],
)
def test_times_are_told_in_utc(texts: list[str], zone: str | None, told: str) -> None:
    faults = Faults()
    found = time_json(pa.array(texts), faults, time_zone=zone, time_format=None).to_pylist()
    assert faults.reasons == {}
    assert datetime.fromisoformat(json.loads(found[0])) == datetime.fromisoformat(told)


def test_a_time_without_a_zone_is_refused_unless_one_is_named() -> None:
    assert read_time("2024-01-01", None) is None
    assert read_time("2024-01-01", ZoneInfo("UTC")) == datetime(2024, 1, 1, tzinfo=UTC)
    faults = Faults()
    time_json(pa.array(["2024-01-01 10:00:00", None]), faults, time_zone=None, time_format=None)
    assert list(faults.reasons) == [0]


def test_obvious_names_are_recognised_and_told_ones_win() -> None:
    columns = ["InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
    found = resolve(INTERACTION_FIELDS, columns, {"lines.category": "Country"}, {})
    assert found == {
        "source_id": "InvoiceNo", "customer": "CustomerID", "occurred_at": "InvoiceDate", "lines.product": "StockCode",
        "lines.quantity": "Quantity", "lines.unit_price": "UnitPrice", "lines.category": "Country",
    }  # fmt: skip


def test_all_other_columns_can_become_attributes() -> None:
    found = resolve(CUSTOMER_FIELDS, ["customerID", "Contract", "tenure"], {"attributes.*": "*"}, {})
    assert found == {"external_id": "customerID", "attributes.Contract": "Contract", "attributes.tenure": "tenure"}


def test_unknown_fields_and_columns_are_refused() -> None:
    with pytest.raises(Refusal, match="no field colour"):
        resolve(INTERACTION_FIELDS, ["a"], {"colour": "a"}, {})
    with pytest.raises(Refusal, match="no column b"):
        resolve(INTERACTION_FIELDS, ["a"], {"amount": "b"}, {})
    with pytest.raises(Refusal, match="FIELD=VALUE"):
        pairs(["amount"], "--map")


def item(first: int, *lines: str) -> Item:
    return Item(first, lines=list(lines), total=float(len(lines)))


def test_a_window_joins_what_alternates_and_lets_go_of_the_oldest() -> None:
    window = Window(sums=True, limit=2)
    runs = [Run("a", item(1, "x")), Run("b", item(2, "y")), Run("a", item(3, "z")), Run("c", item(4))]
    [done] = window.add(runs, [Item(0, fault="broken")] * 0)
    assert (done.first, done.lines, done.total) == (1, ["x", "z"], 2.0)
    assert [one.first for one in window.close()] == [2, 4]


def test_unreadable_rows_keep_their_place() -> None:
    window = Window(sums=True)
    broken = [Item(number, fault="broken") for number in (1, 3, 9)]
    assert list(window.add([Run("a", item(2)), Run("b", item(4))], broken)) == []
    assert [one.first for one in window.close()] == [1, 2, 3, 4, 9]


@pytest.mark.parametrize(
    ("head", "delimiter"), [("a,b;c\n1,2;3\n", ","), ("a;b\n1,5;2\n", ";"), ("a\tb\n1\t2\n", "\t"), ("a\n1\n", ",")]
)
def test_the_delimiter_is_found(head: str, delimiter: str) -> None:
    assert delimiter_of(head) == delimiter


def test_a_file_that_is_not_utf8_is_read_as_windows_1252_with_a_remark(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes("id;name\n1;Zoë\n".encode("cp1252"))
    rows = open_rows(path)
    try:
        [block] = rows.blocks
        assert block.table.to_pylist() == [{"id": "1", "name": "Zoë"}]
        assert "Windows-1252" in rows.remarks[0]
    finally:
        rows.close()


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbfid,name\n1,a\n")
    rows = open_rows(path)
    try:
        assert rows.columns == ["id", "name"]
        assert [row for block in rows.blocks for row in block.table.to_pylist()] == [{"id": "1", "name": "a"}]
    finally:
        rows.close()


def test_a_checkpoint_counts_only_for_the_same_file_and_options(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("id\n1\n")
    Keeper(path, "one way").save(Checkpoint(before_row=5))
    assert Keeper(path, "one way").load().before_row == 5
    assert Keeper(path, "another").load() == Checkpoint()
    path.write_text("id\n1\n2\n")
    assert Keeper(path, "one way").load() == Checkpoint()
