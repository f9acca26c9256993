"""The folder that holds everything one installation keeps: one process at a time, one format, secrets for its owner."""

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO
from uuid import UUID, uuid4

from standalone.errors import Refusal

# Raised when a release changes what lies in the folder so that an older one could not read it.
FORMAT = 1


class DataDirectory:
    """An installation's folder; entered, it belongs to this process alone."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._lock: TextIO | None = None

    @property
    def postgres(self) -> Path:
        """Where the embedded server lives."""
        return self.root / "postgres"

    @property
    def secret_key_file(self) -> Path:
        """The key that signs identities and seals secrets."""
        return self.root / "secret.key"

    @property
    def admin_key_file(self) -> Path:
        """The API key that was made at the first start."""
        return self.root / "admin.key"

    @property
    def url_file(self) -> Path:
        """Where the platform listened when it was last started."""
        return self.root / "url"

    def __enter__(self) -> "DataDirectory":
        """Take the folder. Raises Refusal when another process has it or a newer release wrote it."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = (self.root / "lock").open("a+")
        except OSError as error:
            raise Refusal(f"The data folder {self.root} cannot be used: {error.strerror}.") from error
        try:
            self._take(self._lock)
            self._check_format()
        except Refusal:
            self._lock.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let the folder go."""
        if self._lock is not None:
            self._lock.close()

    def holder(self) -> int | None:
        """Process id of whoever has the folder now; None when nobody has."""
        try:
            lock = (self.root / "lock").open("r+")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Refusal(f"The data folder {self.root} cannot be read: {error.strerror}.") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return _pid_in(lock)
        return None

    def installation_id(self) -> UUID:
        """The namespace of ids minted from external ids: made once, since a new one would orphan every customer."""
        file = self.root / "installation-id"
        if not file.exists():
            write_private(file, str(uuid4()))
        return UUID(file.read_text().strip())

    def secret_key(self) -> Path:
        """The file with the secret key, made at the first start."""
        if not self.secret_key_file.exists():
            write_private(self.secret_key_file, secrets.token_urlsafe(48))
        return self.secret_key_file

    def _take(self, lock: TextIO) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _pid_in(lock)
            raise Refusal(
                f"The data folder {self.root} is in use by another Stave{f' (process {holder})' if holder else ''}: "
                f"stop it with `stave stop --data-dir {self.root}`, or choose another --data-dir."
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()

    def _check_format(self) -> None:
        file = self.root / "version"
        if not file.exists():
            write_private(file, f"{FORMAT}\n")
            return
        said = file.read_text().strip()
        if not said.isdigit():
            raise Refusal(
                f"{file} says {said[:40]!r} where a number is expected: is {self.root} a data folder of Stave?"
            )
        if int(said) > FORMAT:
            raise Refusal(
                f"The data folder {self.root} was written by a newer Stave (format {said}, this one knows {FORMAT}): "
                "start it with that release or a later one, or choose another --data-dir."
            )


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner's eyes only, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def _pid_in(lock: TextIO) -> int | None:
    lock.seek(0)
    with suppress(ValueError):
        return int(lock.read())
    return None
