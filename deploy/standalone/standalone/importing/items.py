"""What is sent: one item of a bulk request with the rows it came from. Rows of one purchase are joined here."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from standalone.importing.ndjson import WHOLE
from standalone.importing.reading import Block

# So many purchases are kept open for further lines; a line that comes later than that is refused.
OPEN_AT_ONCE = 50_000
STRAY = "Its purchase was already sent, or is stored with other lines: rows of one source_id must be near each other."


@dataclass(slots=True)
class Item:
    """One body to send, or with a `fault` one not to. `first` is the number of its first row."""

    first: int
    head: str = ""
    lines: list[str] = field(default_factory=list)
    total: float = 0.0
    kind: str | None = None
    currency: str | None = None
    fault: str | None = None
    # Stretches of rows in blocks; a row that no columns could be read of is kept as its text.
    spans: list[tuple[Block, int, int]] = field(default_factory=list)
    text: str = ""

    @property
    def row_count(self) -> int:
        """How many rows of the file it holds."""
        return sum(stop - start for _, start, stop in self.spans) or 1

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Its rows as they were, each with its number."""
        if not self.spans:
            yield self.first, {WHOLE: self.text}
        for block, start, stop in self.spans:
            numbers = block.numbers[start:stop]
            yield from zip(numbers, block.table.slice(start, stop - start).to_pylist(), strict=True)


def unreadable(block: Block) -> list[Item]:
    """The rows of a block that no columns could be read of."""
    return [Item(number, fault=reason, text=text) for number, reason, text in block.broken]


@dataclass(slots=True)
class Run:
    """Consecutive rows of one key: an item of its own, or more lines of one that is open."""

    key: str
    item: Item


class Window:
    """Joins runs of one key, however they alternate, as long as no more than a limit of keys are open."""

    def __init__(self, *, sums: bool, limit: int = OPEN_AT_ONCE) -> None:
        self._open: OrderedDict[str | int, Item] = OrderedDict()
        self._sums = sums
        self._limit = limit

    def add(self, runs: Iterable[Run], unread: Iterable[Item]) -> Iterator[Item]:
        """Take in the runs of a block, and its unreadable rows; yields what is complete, in the order of first rows."""
        waiting = sorted(unread, key=lambda item: item.first, reverse=True)
        for run in runs:
            while waiting and waiting[-1].first < run.item.first:
                self._put(waiting.pop())
            known = self._open.get(run.key)
            if known is None:
                self._open[run.key] = run.item
                if len(self._open) > self._limit:
                    yield self._open.popitem(last=False)[1]
            else:
                self._join(known, run.item)
        while waiting:
            self._put(waiting.pop())

    def _put(self, item: Item) -> None:
        self._open[item.first] = item

    def close(self) -> Iterator[Item]:
        """Yield what is still open."""
        while self._open:
            yield self._open.popitem(last=False)[1]

    def _join(self, item: Item, more: Item) -> None:
        item.lines += more.lines
        item.total += more.total if self._sums else 0.0
        item.spans += more.spans
        item.fault = item.fault or more.fault
