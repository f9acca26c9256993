"""One PostgreSQL server on a data folder: `start` makes, adopts or starts it and waits until it answers."""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO

import asyncpg

from standalone.errors import Refusal
from standalone.postgres.binaries import Binaries, installed_binaries
from standalone.postgres.home import PORT, STATE_FOLDER, USER, Home, home_of
from standalone.postgres.options import server_options
from standalone.postgres.processes import is_running, quit_orphans, read_pid, serves

PROBE_SECONDS = 5.0
FAST_STOP_SECONDS = 60.0
# After that long, backends that outlived their killed server are told to quit; idle ones leave at once by themselves.
ORPHAN_PATIENCE_SECONDS = 3.0
REPORT_EVERY_SECONDS = 5.0

Report = Callable[[str], None]


class Answer(Enum):
    """What a connection attempt met."""

    READY = "ready"
    RECOVERING = "recovering"
    NOTHING = "nothing"


class PostgresServer:
    """The server of one folder. Not thread-safe: one caller starts, supervises and stops it.

    `ends_with_parent` (Linux) stops the server when the thread that started it ends, however it ends: for tests.
    Without it a server outlives a killed parent, and the next `start` on its folder adopts it.
    """

    def __init__(self, directory: Path, *, report: Report = lambda _: None, ends_with_parent: bool = False) -> None:
        self._directory = directory
        self._report = report
        self._ends_with_parent = ends_with_parent
        self._home: Home | None = None
        self._binaries: Binaries | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the server, also of an adopted one; None when none runs."""
        pid = read_pid(self._located().pid_file)
        return pid if pid and is_running(pid) and serves(pid, self._located().cluster) else None

    def start(self) -> str:
        """Make, adopt or start the server, wait until it answers, and return its URL.

        Waits as long as a crash recovery goes on, and says so. Raises Refusal with what to do about it.
        """
        home = self._located()
        home.prepare()
        with _exclusive(home.root / "start.lock"):
            self._refuse_other_major(home)
            if not home.cluster.exists():
                self._create(home)
            while not self._is_ready_after(self._find_or_launch(home), home):
                # Somebody else's server, that we waited for, has ended.
                continue
        return home.url()

    def is_alive(self) -> bool:
        """Whether a connection answers; a process that exists proves nothing."""
        home = self._located()
        return home.password_file.exists() and _probe(home) is Answer.READY

    def has_ended(self) -> bool:
        """Whether the server's process is gone; one that only hangs has not ended and must not be started twice."""
        if self._child is not None:
            return self._child.poll() is not None
        pid = read_pid(self._located().pid_file)
        return pid is None or not is_running(pid)

    def stop(self) -> None:
        """Stop the server, whoever started it: rolls back what is open, writes a checkpoint, waits for its end."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGINT)
            if not self._ends_within(pid, FAST_STOP_SECONDS):
                os.kill(pid, signal.SIGQUIT)
                self._ends_within(pid, FAST_STOP_SECONDS)
        if self._child is not None:
            self._child.wait()
            self._child = None

    def _located(self) -> Home:
        if self._home is None:
            self._home = home_of(self._directory, report=self._report)
        return self._home

    def _programs(self, home: Home) -> Binaries:
        if self._binaries is None:
            installed = installed_binaries()
            self._binaries = installed.copied_to(STATE_FOLDER) if home.account.is_other else installed
        return self._binaries

    def _refuse_other_major(self, home: Home) -> None:
        version = home.cluster / "PG_VERSION"
        here, offered = version.read_text().strip() if version.exists() else None, self._programs(home).major
        if here is not None and here != offered:
            raise Refusal(
                f"The database in {home.root} was made by PostgreSQL {here} and this release brings {offered}: write "
                "it out with `stave backup` of the old release and read it in with `stave restore` of this one."
            )

    def _create(self, home: Home) -> None:
        """Make the cluster beside its final name, so that a kill in between leaves no half-made one behind."""
        self._report("creating the database")
        unfinished = home.root / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        home.account.own(unfinished)
        command = home.account.command(
            self._programs(home).program("initdb"),
            f"--pgdata={unfinished}",
            f"--username={USER}",
            f"--pwfile={home.password_file}",
            "--auth=scram-sha-256",
            "--data-checksums",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            # The password has 256 random bits: iterations would only make each connection slow.
            "--set=scram_iterations=64",
        )
        done = subprocess.run(
            command,
            cwd=home.root,
            env=_environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            raise _failure("created", home, done.stderr)
        unfinished.rename(home.cluster)

    def _find_or_launch(self, home: Home) -> subprocess.Popen[bytes] | None:
        """Our new server process, or None when one of somebody else's runs.

        A server and each of its processes inherit a locked file: who gets the lock knows that nothing of an earlier
        server is left, neither one that a killed parent had just started nor backends that outlived theirs.
        """
        since = reported = time.monotonic()
        while True:
            with (home.root / "server.lock").open("w") as lock:
                if _locked(lock):
                    self._child = self._launch(home, lock)
                    return self._child
            if self.pid is not None:
                self._child = None
                return None
            now = time.monotonic()
            if now - since > ORPHAN_PATIENCE_SECONDS:
                quit_orphans(home.cluster)
            if now - reported > REPORT_EVERY_SECONDS:
                reported = now
                self._report("waiting for the remains of a killed PostgreSQL to end")
            time.sleep(0.05)

    def _launch(self, home: Home, lock: IO[str]) -> subprocess.Popen[bytes]:
        # With the lock in hand these files are stale, and their pid may be another process's by now.
        home.pid_file.unlink(missing_ok=True)
        (home.socket_folder / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
        settings = [f"--{name}={value}" for name, value in server_options(home.socket_folder).items()]
        program = self._programs(home).program("postgres")
        command = home.account.command(
            program, "-D", str(home.cluster), *settings, ends_with_parent=self._ends_with_parent
        )
        with open(os.open(home.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
            return subprocess.Popen(
                command,
                cwd=home.root,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock.fileno(),),
                # A Ctrl-C at the terminal is for us: the server stops after what uses it.
                start_new_session=True,
            )

    def _is_ready_after(self, child: subprocess.Popen[bytes] | None, home: Home) -> bool:
        """Wait until the server answers; False when one that is not ours ended. Raises Refusal when ours did."""
        since = reported = time.monotonic()
        while (answer := _probe(home)) is not Answer.READY:
            if self.has_ended():
                if child is None:
                    return False
                raise _failure("started", home, _last_lines(home.log))
            now = time.monotonic()
            if now - reported > REPORT_EVERY_SECONDS:
                reported = now
                doing = "recovers from a crash" if answer is Answer.RECOVERING else "does not answer yet"
                self._report(f"PostgreSQL {doing}: {now - since:.0f} s so far, see {home.log}")
            time.sleep(0.05)
        return True

    def _ends_within(self, pid: int, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._child is not None:
                self._child.poll()
            if not is_running(pid):
                return True
            time.sleep(0.02)
        return False


def _probe(home: Home) -> Answer:
    """Try a connection, in a thread of its own because the caller may be inside an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _connect(home.url())).result()


async def _connect(url: str) -> Answer:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            connection = await asyncpg.connect(url)
            try:
                await connection.fetchval("SELECT 1")
            finally:
                await connection.close()
    except asyncpg.CannotConnectNowError:
        return Answer.RECOVERING
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError):
        return Answer.NOTHING
    except asyncpg.TooManyConnectionsError:
        return Answer.READY
    return Answer.READY


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Let one process at a time create or start the server."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _environment() -> dict[str, str]:
    """What the server sees of our environment: nothing that could hold a secret or change its behaviour."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])


def _failure(what: str, home: Home, said: str) -> Refusal:
    if "No space left on device" in said:
        return Refusal(f"The disk that holds {home.root} is full: free some space and start again.")
    return Refusal(f"PostgreSQL could not be {what} in {home.root}; it said: {said.strip()}")
