"""Rows of a file as interactions: a purchase of many lines is one, and what comes out negative is a return."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from standalone.errors import Refusal
from standalone.importing import fragments
from standalone.importing.items import Item, Run, Window, unreadable
from standalone.importing.mapping import INTERACTION_FIELDS, require, resolve
from standalone.importing.ndjson import WHOLE
from standalone.importing.reading import Block, Rows
from standalone.importing.settings import InteractionImport

_LINE_NUMBERS = ("quantity", "unit_price", "discount", "unit_cost")
_SIGNED = re.compile(r'(?<!\\)("(?:quantity|amount)":"?)(-?)(?=[\d.])')
_HEAD_TEXTS = ("channel", "direction")


class Interactions:
    """Encodes the rows of one file. Raises Refusal when the file lacks a column that every row needs."""

    route = "/v1/interactions/bulk"

    def __init__(self, rows: Rows, options: InteractionImport) -> None:
        self._options = options
        self._constants = {"kind": "purchase", "channel": "store", **options.constants}
        self._fields = resolve(INTERACTION_FIELDS, rows.columns, options.columns, options.constants)
        self._has_lines = any(name.startswith("lines.") for name in self._fields)
        if self._has_lines and "lines.amount" not in options.columns and "amount" not in options.columns:
            self._take_amount_for_lines()
        if rows.columns != [WHOLE]:
            self._check(rows.columns)
        self._tail = self._constant_members()
        self._sums_lines = self._has_lines and "amount" not in self._fields
        self._window = Window(sums=self._sums_lines)

    def _take_amount_for_lines(self) -> None:
        """With products in its rows, a file's `amount` is that of the line."""
        priced = {"lines.amount", "lines.unit_price"} & set(self._fields)
        if "amount" in self._fields and not priced:
            self._fields["lines.amount"] = self._fields.pop("amount")

    def _check(self, columns: Sequence[str]) -> None:
        needed = ["customer", "occurred_at", *([] if self._options.number_rows else ["source_id"])]
        if "source_id" not in self._fields and not self._options.number_rows:
            raise Refusal(
                "No column is source_id: name it with --map source_id=COLUMN, or pass --number-rows to tell rows apart "
                f"by their number. Columns are: {', '.join(columns)}."
            )
        require(self._fields, {}, names=needed, columns=columns)

    @property
    def _is_priced(self) -> bool:
        return bool({"amount", "lines.amount", "lines.unit_price"} & set(self._fields))

    def _constant_members(self) -> str:
        members = {"source": self._options.source, "backfill": not self._options.live}
        members |= {
            name: self._constants[name] for name in _HEAD_TEXTS if name in self._constants and name not in self._fields
        }
        return "," + msgspec.json.encode(members).decode()[1:]

    def items(self, block: Block) -> Iterator[Item]:
        """The items that a block completes."""
        table = block.table
        unread = unreadable(block)
        if WHOLE in table.schema.names:
            yield from self._whole(block)
        elif table.num_rows:
            yield from self._window.add(self._runs(block, table), unread)
            if not self._has_lines:
                yield from self._window.close()
            return
        yield from unread

    def rest(self) -> Iterator[Item]:
        """The items that the end of the file completes."""
        yield from self._window.close()

    def _whole(self, block: Block) -> Iterator[Item]:
        """Records that are bodies already; what they do not say is filled in."""
        for place, text in enumerate(block.table.column(WHOLE).to_pylist()):
            number = block.numbers[place]
            if text is None:
                yield Item(
                    number, fault="It names no customer as the other rows do.", spans=[(block, place, place + 1)]
                )
                continue
            record = {"source": self._options.source, "backfill": not self._options.live, **msgspec.json.decode(text)}
            head = msgspec.json.encode(record).decode()
            yield Item(number, head=head, spans=[(block, place, place + 1)], kind=WHOLE)

    def _runs(self, block: Block, table: pa.RecordBatch) -> Iterator[Run]:
        """Stretches of rows with one source_id, each as one item."""
        faults = fragments.Faults()
        numbers = block.numbers
        keys = self._keys(table, numbers, faults)
        starts = _starts(keys) if self._has_lines else np.arange(table.num_rows)
        lines, totals = self._lines(table, faults) if self._has_lines else ([], self._amounts(table, faults))
        heads = self._heads(table.take(pa.array(starts)), keys.take(pa.array(starts)), faults, starts)
        kinds = self._texts(table.take(pa.array(starts)), "kind")
        currencies = self._texts(table.take(pa.array(starts)), "currency")
        stops = np.append(starts[1:], table.num_rows)
        totals = np.nan_to_num(totals)
        sums = np.add.reduceat(totals, starts) if self._sums_lines else totals[starts]
        wrong = _first_faults(faults, starts)
        names = keys.take(pa.array(starts)).to_pylist()
        for place, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
            item = Item(
                numbers[start], heads[place] or "", lines[start:stop], float(sums[place]), kinds[place],
                fault=wrong.get(place), spans=[(block, start, stop)], currency=currencies[place],
            )  # fmt: skip
            yield Run(names[place] or f"\0{numbers[start]}", item)

    def _keys(self, table: pa.RecordBatch, numbers: list[int], faults: fragments.Faults) -> pa.Array:
        if "source_id" not in self._fields:
            return pa.array([str(number) for number in numbers])
        keys = fragments.plain_text(table.column(self._fields["source_id"]))
        faults.add(pc.is_null(keys), "source_id is empty.")
        return keys

    def _heads(self, table: pa.RecordBatch, keys: pa.Array, faults: fragments.Faults, places: Any) -> list[str | None]:
        """What a row says of its whole interaction, as open JSON objects."""
        own = fragments.Faults()
        who = fragments.text_json(table.column(self._fields["customer"]))
        own.add(pc.is_null(who), "customer is empty.")
        at = fragments.time_json(
            table.column(self._fields["occurred_at"]), own,
            time_zone=self._options.time_zone, time_format=self._options.time_format,
        )  # fmt: skip
        own.add(pc.is_null(at), "occurred_at is empty.")
        if list(own.reasons.values()).count(fragments.NO_ZONE) == table.num_rows:
            raise Refusal("The times have no zone: name the one they are in, e.g. --time-zone Europe/Berlin.")
        source = fragments.literal(self._options.source)
        customer = pc.binary_join_element_wise(f'"customer":{{"source":{source},"external_id":', who, "}", "")
        members = [fragments.named("source_id", fragments.quoted(keys)), customer, fragments.named("occurred_at", at)]
        members += [
            fragments.named(name, fragments.text_json(table.column(self._fields[name])))
            for name in _HEAD_TEXTS
            if name in self._fields
        ]
        if "cost_to_serve" in self._fields:
            members.append(fragments.named("cost_to_serve", self._number(table, "cost_to_serve", own).json))
        members += self._properties(table)
        for place, reason in own.reasons.items():
            faults.reasons.setdefault(int(places[place]), reason)
        return list(fragments.open_objects(members).to_pylist())

    def _properties(self, table: pa.RecordBatch) -> list[pa.Array]:
        parts = [
            fragments.named(name.removeprefix("properties."), fragments.text_json(table.column(column)))
            for name, column in self._fields.items()
            if name.startswith("properties.")
        ]
        return [fragments.named("properties", fragments.objects(parts))] if parts else []

    def _texts(self, table: pa.RecordBatch, name: str) -> list[str | None]:
        if name not in self._fields:
            return [self._constants.get(name)] * table.num_rows
        text = fragments.plain_text(table.column(self._fields[name]))
        return list((pc.utf8_lower if name == "kind" else pc.utf8_upper)(text).to_pylist())

    def _number(self, table: pa.RecordBatch, name: str, faults: fragments.Faults) -> fragments.Numbers:
        column = table.column(self._fields[name])
        return fragments.number_json(column, name, faults, decimal_comma=self._options.decimal_comma)

    def _amounts(self, table: pa.RecordBatch, faults: fragments.Faults) -> Any:
        if "amount" not in self._fields:
            return np.zeros(table.num_rows)
        return self._number(table, "amount", faults).values

    def _lines(self, table: pa.RecordBatch, faults: fragments.Faults) -> tuple[list[str], Any]:
        """Each row as a line in JSON, and what it adds to its purchase's amount."""
        if "lines.product" not in self._fields:
            raise Refusal("No column is lines.product: name it with --map lines.product=COLUMN.")
        product = fragments.text_json(table.column(self._fields["lines.product"]))
        faults.add(pc.is_null(product), "lines.product is empty.")
        numbers = {
            name: self._number(table, f"lines.{name}", faults)
            for name in _LINE_NUMBERS
            if f"lines.{name}" in self._fields
        }
        amounts = self._line_amounts(table, numbers, faults)
        members = [fragments.named("product", product)]
        if "lines.category" in self._fields:
            members.append(
                fragments.named("category", fragments.text_json(table.column(self._fields["lines.category"])))
            )
        members += [fragments.named(name, one.json) for name, one in numbers.items()]
        members.append(fragments.named("amount", fragments.floats_json(np.nan_to_num(amounts))))
        lines = list(fragments.objects(members).to_pylist())
        # A purchase's own amount is repeated in each of its rows: that of the first counts.
        return lines, amounts if self._sums_lines else self._number(table, "amount", faults).values

    def _line_amounts(
        self, table: pa.RecordBatch, numbers: dict[str, fragments.Numbers], faults: fragments.Faults
    ) -> Any:
        if "lines.amount" in self._fields:
            amounts = self._number(table, "lines.amount", faults)
            faults.add(np.isnan(amounts.values), "lines.amount is empty.")
            return amounts.values
        if "unit_price" not in numbers:
            return np.zeros(table.num_rows)
        faults.add(np.isnan(numbers["unit_price"].values), "lines.unit_price is empty.")
        quantity = numbers["quantity"].values if "quantity" in numbers else 1.0
        discount = np.nan_to_num(numbers["discount"].values) if "discount" in numbers else 0.0
        return np.round(np.nan_to_num(quantity, nan=1.0) * numbers["unit_price"].values - discount, 6)

    def body(self, item: Item) -> str:
        """The item as the API's JSON."""
        if item.kind == WHOLE:
            return item.head
        kind, lines = item.kind or self._constants["kind"], ",".join(item.lines)
        total = round(item.total, 6)
        if total < 0:
            # The sign comes from the kind.
            kind = "return" if kind == "purchase" else kind
            lines = _SIGNED.sub(lambda found: found[1] + ("" if found[2] else "-"), lines)
        parts = [item.head, f'"kind":{fragments.literal(kind)}']
        if self._is_priced:
            parts.append(f'"amount":{{"amount":{abs(total)!r},"currency":{fragments.literal(item.currency or "")}}}')
        if lines:
            parts.append(f'"lines":[{lines}]')
        return ",".join(parts) + self._tail


def _starts(keys: pa.Array) -> Any:
    """Where a new stretch of equal keys begins."""
    codes = pc.fill_null(keys.dictionary_encode().indices, -1).to_numpy(zero_copy_only=False)
    changed = np.flatnonzero((codes[1:] != codes[:-1]) | (codes[1:] == -1)) + 1
    return np.concatenate(([0], changed))


def _first_faults(faults: fragments.Faults, starts: Any) -> dict[int, str]:
    """The fault of each stretch that has one: a purchase with a broken line is not sent in part."""
    found: dict[int, str] = {}
    for row, reason in sorted(faults.reasons.items()):
        found.setdefault(int(np.searchsorted(starts, row, side="right")) - 1, reason)
    return found
