"""What an import keeps beside its file: how far it has come, so that it can go on, and the rows that were refused."""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from standalone.importing.items import Item

_FORMAT = 1


@dataclass
class Checkpoint:
    """Every row before `before_row` is done; `rejects_bytes` of the file of refused rows belong to those."""

    before_row: int = 1
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    rejects_bytes: int = 0


class Keeper:
    """The checkpoint of one file and one way to read it."""

    def __init__(self, path: Path, told: object) -> None:
        self.path = path.with_name(path.name + ".stave-progress.json")
        stat = path.stat()
        way = f"{_FORMAT}\n{stat.st_size}\n{stat.st_mtime_ns}\n{told!r}"
        self._fingerprint = hashlib.sha256(way.encode()).hexdigest()

    def load(self) -> Checkpoint:
        """Where an import of the same file, read the same way, was interrupted; else the beginning."""
        try:
            kept = msgspec.json.decode(self.path.read_bytes())
            return Checkpoint(**kept["checkpoint"]) if kept["fingerprint"] == self._fingerprint else Checkpoint()
        # A torn or foreign file is no checkpoint; sending rows again is harmless, as they are deduplicated.
        except (OSError, msgspec.DecodeError, KeyError, TypeError):
            return Checkpoint()

    def save(self, checkpoint: Checkpoint) -> None:
        """Remember, in one step."""
        written = self.path.with_name(self.path.name + ".new")
        written.write_bytes(msgspec.json.encode({"fingerprint": self._fingerprint, "checkpoint": asdict(checkpoint)}))
        written.replace(self.path)

    def forget(self) -> None:
        """The import is complete."""
        self.path.unlink(missing_ok=True)


class Rejects:
    """The file of refused rows: their number, the reason, and the row as it was."""

    def __init__(self, path: Path, columns: Sequence[str], *, keep_bytes: int) -> None:
        self.path = path.with_name(path.name + ".rejected.csv")
        self._columns = list(columns)
        self._keep_bytes = keep_bytes
        self._is_ours = False

    def _take_over(self) -> None:
        """Drop what an earlier import of the file left, once this one has got an answer and not before."""
        if self._is_ours:
            return
        self._is_ours = True
        if self._keep_bytes == 0:
            self.path.unlink(missing_ok=True)
        elif self.path.exists():
            with self.path.open("r+b") as file:
                file.truncate(self._keep_bytes)

    def add(self, refused: Sequence[tuple[Item, str]]) -> int:
        """Append the rows of refused items, after an answer came; returns how many."""
        self._take_over()
        if not refused:
            return 0
        count = 0
        is_new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(["row", "reason", *self._columns])
            for item, reason in refused:
                for number, row in item.rows():
                    writer.writerow([number, reason, *self._cells(row)])
                    count += 1
        return count

    def _cells(self, row: dict[str, Any]) -> list[Any]:
        known = [row.get(name) for name in self._columns]
        return known if any(name in row for name in self._columns) else list(row.values())

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self.path.stat().st_size if self._is_ours and self.path.exists() else self._keep_bytes
