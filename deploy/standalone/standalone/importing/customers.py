"""Rows of a file as customers."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from standalone.importing import fragments
from standalone.importing.items import Item, unreadable
from standalone.importing.mapping import CUSTOMER_FIELDS, require, resolve
from standalone.importing.ndjson import WHOLE
from standalone.importing.reading import Block, Rows
from standalone.importing.settings import CustomerImport

# A number as people write it; `007` and `+49` are texts.
_PLAIN_NUMBER = r"^-?(0|[1-9]\d{0,14})(\.\d{1,9})?$"
_TEXTS = {"name": "name", "kind": "kind", "country": "country", "time_zone": "time_zone"}
_LISTS = {"email": "emails", "phone": "phones"}


class Customers:
    """Encodes the rows of one file. Raises Refusal when no column names the customer."""

    route = "/v1/customers/bulk"

    def __init__(self, rows: Rows, options: CustomerImport) -> None:
        self._options = options
        self._fields = resolve(CUSTOMER_FIELDS, rows.columns, options.columns, options.constants)
        if rows.columns != [WHOLE]:
            require(self._fields, {}, names=["external_id"], columns=rows.columns)
        self._numeric: dict[str, bool] = {}

    def items(self, block: Block) -> Iterator[Item]:
        """The items of a block."""
        made: list[Item] = []
        if block.table.num_rows:
            made = self._whole(block) if WHOLE in block.table.schema.names else self._rows(block)
        yield from sorted([*made, *unreadable(block)], key=lambda item: item.first)

    def rest(self) -> Iterator[Item]:
        """Nothing is left at the end of a file."""
        yield from ()

    def body(self, item: Item) -> str:
        """The item as the API's JSON."""
        return item.head

    def _whole(self, block: Block) -> list[Item]:
        texts = block.table.column(WHOLE).to_pylist()
        fault = "It has no external_ids as the other rows do."
        return [
            Item(number, head=text or "", fault=None if text else fault, spans=[(block, place, place + 1)])
            for place, (number, text) in enumerate(zip(block.numbers, texts, strict=True))
        ]

    def _rows(self, block: Block) -> list[Item]:
        table, faults = block.table, fragments.Faults()
        who = fragments.text_json(table.column(self._fields["external_id"]))
        faults.add(pc.is_null(who), "external_id is empty.")
        source = fragments.literal(self._options.source)
        members = [pc.binary_join_element_wise(f'"external_ids":[{{"source":{source},"id":', who, "}]", "")]
        for name, member in (_TEXTS | _LISTS).items():
            if name in self._fields or name in self._options.constants:
                value = self._text(table, name)
                if name in _LISTS:
                    value = pc.binary_join_element_wise("[", value, "]", "")
                members.append(fragments.named(member, value))
        attributes = self._attributes(table)
        if attributes:
            members.append(fragments.named("attributes", fragments.objects(attributes)))
        heads = fragments.objects(members).to_pylist()
        return [
            Item(number, head=heads[place] or "", fault=faults.reasons.get(place), spans=[(block, place, place + 1)])
            for place, number in enumerate(block.numbers)
        ]

    def _text(self, table: pa.RecordBatch, name: str) -> pa.Array:
        if name not in self._fields:
            return fragments.constant(fragments.literal(self._options.constants[name]), table.num_rows)
        return fragments.text_json(table.column(self._fields[name]))

    def _attributes(self, table: pa.RecordBatch) -> list[pa.Array]:
        found = [
            fragments.named(name.removeprefix("attributes."), self._attribute(table.column(column), column))
            for name, column in self._fields.items()
            if name.startswith("attributes.")
        ]
        constants = {
            name.removeprefix("attributes."): value
            for name, value in self._options.constants.items()
            if name.startswith("attributes.")
        }
        for name, value in constants.items():
            found.append(fragments.named(name, fragments.constant(fragments.literal(value), table.num_rows)))
        return found

    def _attribute(self, column: pa.Array, name: str) -> pa.Array:
        """Numbers and truths of a typed file stay such; of a text file, columns that begin as numbers are numbers."""
        if pa.types.is_boolean(column.type):
            return pc.if_else(column, pa.scalar("true"), pa.scalar("false"))
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            return fragments.number_json(column, name, fragments.Faults()).json
        text = fragments.plain_text(column)
        good = pc.match_substring_regex(text, _PLAIN_NUMBER)
        if name not in self._numeric:
            self._numeric[name] = bool(pc.all(pc.fill_null(good, True)).as_py()) and text.null_count < len(text)
        return pc.if_else(good, text, fragments.quoted(text)) if self._numeric[name] else fragments.quoted(text)
