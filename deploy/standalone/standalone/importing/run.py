"""An import from beginning to end: read, encode, send, keep what was refused, remember how far it has come."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import httpx

from standalone.errors import Refusal
from standalone.importing.customers import Customers
from standalone.importing.interactions import Interactions
from standalone.importing.items import Item
from standalone.importing.keeping import Checkpoint, Keeper, Rejects
from standalone.importing.reading import Block, Rows, open_rows
from standalone.importing.sending import Answer, ask, batches, send_all
from standalone.importing.settings import CustomerImport, InteractionImport, Progress

ImportClient = httpx.AsyncClient
OnProgress = Callable[[Progress], None]
_SAVE_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Summary:
    """What became of a file; `rejects` is the file of refused rows, if there were any."""

    read: int
    accepted: int
    duplicates: int
    rejected: int
    seconds: float
    rejects: Path | None
    remarks: tuple[str, ...] = ()


class Encoder(Protocol):
    """Turns blocks of rows into items, and items into bodies for one route."""

    route: str

    def items(self, block: Block) -> Iterator[Item]:
        """The items that a block completes."""

    def rest(self) -> Iterator[Item]:
        """The items that the end of the file completes."""

    def body(self, item: Item) -> str:
        """An item as JSON."""


async def import_interactions(
    path: Path, options: InteractionImport, client: ImportClient, on_progress: OnProgress | None = None
) -> Summary:
    """Import a file of interactions through a client of the platform. Raises Refusal with one sentence."""
    with closing(open_rows(path)) as rows:
        if "currency" not in options.constants:
            constants = {**options.constants, "currency": await _reporting_currency(client)}
            options = replace(options, constants=constants)
        return await _Import(path, rows, Interactions(rows, options), Keeper(path, options)).run(client, on_progress)


async def import_customers(
    path: Path, options: CustomerImport, client: ImportClient, on_progress: OnProgress | None = None
) -> Summary:
    """Import a file of customers through a client of the platform. Raises Refusal with one sentence."""
    with closing(open_rows(path)) as rows:
        return await _Import(path, rows, Customers(rows, options), Keeper(path, options)).run(client, on_progress)


async def _reporting_currency(client: ImportClient) -> str:
    """What amounts are in where neither the file nor its user says so."""
    terms = await ask(client, "/v1/interactions/terms")
    return str(terms["currency"])


class _Import:
    """One file on its way."""

    def __init__(self, path: Path, rows: Rows, encoder: Encoder, keeper: Keeper) -> None:
        self._path = path
        self._rows = rows
        self._encoder = encoder
        self._keeper = keeper
        self._done = keeper.load()
        self._rejects = Rejects(path, rows.columns, keep_bytes=self._done.rejects_bytes)
        self._progress = Progress()
        self._began = self._saved_at = time.monotonic()

    async def run(self, client: ImportClient, on_progress: OnProgress | None) -> Summary:
        found = batches(self._to_send())
        try:
            async for answer in send_all(client, self._encoder.route, found):
                self._note(answer)
                if on_progress is not None:
                    on_progress(self._seen())
        except BaseException:
            if self._done != Checkpoint():
                self._keeper.save(self._done)
            raise
        self._keeper.forget()
        seen = self._seen()
        rejects = self._rejects.path if seen.rejected else None
        seconds = time.monotonic() - self._began
        return Summary(
            seen.read, seen.accepted, seen.duplicates, seen.rejected, seconds, rejects, tuple(self._rows.remarks)
        )  # fmt: skip

    def _to_send(self) -> Iterator[tuple[Item, str]]:
        """The items that were not sent before an interruption: a purchase is read whole, even if part of it was."""
        already = self._done.before_row
        for item in self._items():
            if item.first >= already:
                yield item, "" if item.fault else self._encoder.body(item)

    def _items(self) -> Iterator[Item]:
        for block in self._rows.blocks:
            self._progress.read += block.table.num_rows + len(block.broken)
            yield from self._encoder.items(block)
        if self._progress.read == 0:
            raise Refusal(f"{self._path} has a header but no rows.")
        yield from self._encoder.rest()

    def _note(self, answer: Answer) -> None:
        rejected = self._rejects.add(answer.refused)
        done = self._done
        self._done = Checkpoint(
            answer.batch.items[-1].first + 1, done.accepted + answer.accepted, done.duplicates + answer.duplicates,
            done.rejected + rejected, self._rejects.size,
        )  # fmt: skip
        if time.monotonic() - self._saved_at > _SAVE_EVERY_SECONDS:
            self._keeper.save(self._done)
            self._saved_at = time.monotonic()

    def _seen(self) -> Progress:
        done = self._done
        counts = {"accepted": done.accepted, "duplicates": done.duplicates, "rejected": done.rejected}
        return replace(self._progress, **counts, share=self._rows.share_read())
