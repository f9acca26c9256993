"""Where a server lives: its data, socket, password and log, readable by nobody but the user it runs as.

An ordinary user's server lives in the folder it is given. Root's lives under /var/lib/stave, where an unprivileged user
can reach it without any parent folder being opened; a file in the given folder says where.
"""

import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from standalone.errors import Refusal
from standalone.postgres.account import Account, current_account, owner_of, unprivileged_account

STATE_FOLDER = Path("/var/lib/stave")
USER = "stave"
PORT = 5432
# sockaddr_un holds 108 bytes on Linux and 104 on macOS, the closing zero included.
LONGEST_SOCKET_PATH = 103


@dataclass(frozen=True)
class Home:
    """One server's folder and the user who owns what is in it."""

    root: Path
    account: Account

    @property
    def cluster(self) -> Path:
        """PostgreSQL's data directory."""
        return self.root / "cluster"

    @property
    def pid_file(self) -> Path:
        """PostgreSQL's own lock file."""
        return self.cluster / "postmaster.pid"

    @property
    def log(self) -> Path:
        """What the server had to say since its last start."""
        return self.root / "server.log"

    @property
    def password_file(self) -> Path:
        """The password of the one user the server has."""
        return self.root / "password"

    @property
    def socket_folder(self) -> Path:
        """Where clients connect: in the home, unless its path is longer than a socket's may be."""
        folder = self.root / "socket"
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET_PATH:
            return folder
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path("/tmp") / f"stave-{self.account.uid}-{digest}"

    def prepare(self) -> None:
        """Create what is missing, each 0700 or 0600 and owned by the server's user."""
        self._enclosing_folder()
        self._private_folder(self.socket_folder)
        if not self.password_file.exists():
            self.write_private(self.password_file, secrets.token_urlsafe(32))

    def url(self) -> str:
        """Address of the server for asyncpg, SQLAlchemy and libpq, with the database `postgres`."""
        password = self.password_file.read_text()
        return f"postgresql://{USER}:{password}@/postgres?host={self.socket_folder}&port={PORT}"

    def write_private(self, path: Path, text: str) -> None:
        """Write a file for the server's user alone, whole or not at all."""
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self.account.own(unfinished)
        unfinished.rename(path)

    def _enclosing_folder(self) -> None:
        """The home itself stays ours: a server of another user may pass through, but place no file that we open."""
        self.root.mkdir(mode=0o700, exist_ok=True)
        if self.root.parent == STATE_FOLDER:
            os.chown(self.root, -1, self.account.gid)
            self.root.chmod(0o710)

    def _private_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != self.account.uid:
                raise Refusal(f"{folder} belongs to somebody else: move it or choose another data folder.") from None
            folder.chmod(0o700)
        else:
            self.account.own(folder)


def home_of(directory: Path, *, report: Callable[[str], None]) -> Home:
    """The home of the server of `directory`, which is created when missing.

    Raises Refusal when the folder was made by root and the caller is not, or is a copy of another one in use.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory = directory.resolve()
    pointer = directory / "location"
    if os.geteuid() != 0:
        if pointer.exists():
            raise Refusal(f"{directory} was created by root: run this as root too, or choose another data folder.")
        return Home(directory, current_account())
    if (directory / "cluster").exists():
        return Home(directory, owner_of(directory / "cluster"))
    home = Home(_location(pointer), unprivileged_account())
    report(f"PostgreSQL runs as an unprivileged user; its data is in {home.root}")
    _claim(home, directory)
    return home


def _location(pointer: Path) -> Path:
    """Root's folder for this server: named once, so that it is found again when the pointing folder is moved."""
    if not pointer.exists():
        name = f"{pointer.parent.parent.name or 'root'}-{secrets.token_hex(4)}"
        unfinished = pointer.with_name(f".location.{os.getpid()}")
        unfinished.write_text(f"{STATE_FOLDER / name}\n")
        unfinished.rename(pointer)
    return Path(pointer.read_text().strip())


def _claim(home: Home, directory: Path) -> None:
    """Note whose server this is, so that a copied data folder does not write into the original's database."""
    if not STATE_FOLDER.exists():
        STATE_FOLDER.mkdir(parents=True, exist_ok=True)
        STATE_FOLDER.chmod(0o755)
    home.prepare()
    owner = home.root / "belongs-to"
    if owner.exists():
        original = Path(owner.read_text())
        if original != directory and (original / "location").exists():
            raise Refusal(
                f"{directory} is a copy of {original}, whose database is in {home.root}: for a second installation, "
                "start with an empty data folder."
            )
    home.write_private(owner, str(directory))
