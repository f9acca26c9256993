"""The real process, started as a user would start it, and killed as a power cut would."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil

from chassis.settings import with_database
from standalone.postgres.home import home_of
from tests.support.eventually import eventually

START_SECONDS = 60.0
# Where the platform's business clock stands in the tests.
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
_ROOT = Path(__file__).parents[2]


class PlatformProcess:
    """`stave run` on a data folder; `crash_at` has it kill itself at a seam (see `crashing`)."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder.parent / f"{folder.name}.log"
        self._environment = {
            "STAVE_CLOCK": "virtual", "STAVE_LOG_LEVEL": "WARNING", "STAVE_RATE_LIMIT": "100000",
            "STAVE_RATE_BURST": "100000", "STAVE_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
            # What a killed dispatcher had in hand is sent again after a multiple of these.
            "STAVE_WEBHOOK_TIMEOUT": "2s", "STAVE_SMTP_TIMEOUT": "2s",
            # A receiver that a busy machine makes late is tried again soon, not after minutes.
            "STAVE_WEBHOOK_SCHEDULE": ",".join(["0", *["1s"] * 20]), "STAVE_WEBHOOK_BREAKER_PAUSE": "1s", **environment,
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The same after each start, so that clients find it again."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        """The admin key of the first start."""
        return (self.folder / "admin.key").read_text().strip()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def has_own_server(self) -> bool:
        return "STAVE_DATABASE_URL" not in self._environment

    def start(self, *, crash_at: str = "") -> None:
        """Start it; with `crash_at="relay.appended:3"` it dies by SIGKILL the third time it comes by that seam."""
        (self.folder / "url").unlink(missing_ok=True)
        module = "tests.support.crashing" if crash_at else "standalone"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, "run", "--port", str(self.port), "--data-dir", str(self.folder)],
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd=_ROOT,
                env=_inherited() | self._environment | {"CRASH_AT": crash_at},
            )  # fmt: skip

    async def wait_until_ready(self, within_seconds: float = START_SECONDS) -> float:
        """Until it serves; returns after how many seconds. Fails with its log when it ends instead."""
        began = time.monotonic()

        async def ready() -> bool:
            if not self.is_running:
                raise EndedEarly(self.said())
            if not ((self.folder / "url").exists() and (self.folder / "admin.key").exists()):
                return False
            try:
                async with self.client() as client:
                    return (await client.get("/health/ready")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(ready, within_seconds=within_seconds, every_seconds=0.05)
        return time.monotonic() - began

    async def wait_until_dead(self, within_seconds: float = 120.0) -> None:
        """Until the process has ended by itself, say at its trap."""
        await eventually(lambda: not self.is_running, within_seconds=within_seconds)

    async def set_clock(self, at: datetime = NOON) -> None:
        """Move business time."""
        async with self.client() as client:
            (await client.put("/v1/clock", json={"at": at.isoformat()})).raise_for_status()

    def client(self, **options: Any) -> httpx.AsyncClient:
        """HTTP with the admin key."""
        headers = {"authorization": f"Bearer {self.key}"}
        # Nothing here speaks TLS, and reading the system's certificates takes longer than a request.
        options = {"timeout": 40, "trust_env": False, "verify": False} | options
        return httpx.AsyncClient(base_url=self.url, headers=headers, **options)

    def database_url(self, name: str = "postgres") -> str:
        """Address of one of its databases: `stave_customer`, `stave_event_log`, …"""
        return with_database(home_of(self.folder / "postgres", report=lambda _: None).url(), name)

    async def rows(self, name: str, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """What a query on one of its databases finds."""
        connection = await asyncpg.connect(self.database_url(name))
        try:
            found: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return found
        finally:
            await connection.close()

    def kill(self) -> None:
        """SIGKILL the platform; its PostgreSQL stays behind."""
        if self.is_running:
            os.kill(self.pid, signal.SIGKILL)
        self.wait_for_end()

    def kill_with_postgres(self) -> None:
        """SIGKILL the platform and every process of its PostgreSQL."""
        victims = self.postgres_processes()
        # The platform first: it would start the server again.
        self.kill()
        kill_all(victims)

    def postgres_processes(self) -> list[psutil.Process]:
        """The server of this folder with its children, the server first."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().split()[0])
            server = psutil.Process(pid)
            return [server, *server.children(recursive=True)]
        except (OSError, psutil.NoSuchProcess, ValueError, IndexError):
            return []

    @property
    def cluster(self) -> Path:
        """The database's files."""
        pointer = self.folder / "postgres" / "location"
        return (Path(pointer.read_text().strip()) if pointer.exists() else self.folder / "postgres") / "cluster"

    def wait_for_end(self, seconds: float = 60.0) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None
        return self._process.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the platform's process."""
        os.kill(self.pid, number)

    def shut_down(self) -> None:
        """Stop platform and server, gracefully where it can be."""
        if self.is_running:
            self.signal(signal.SIGTERM)
            try:
                self.wait_for_end()
            except subprocess.TimeoutExpired:
                self.kill()
        if self.postgres_processes():
            command = [sys.executable, "-m", "standalone", "stop", "--data-dir", str(self.folder)]
            subprocess.run(command, capture_output=True, check=False, timeout=120, cwd=_ROOT)

    def stop(self) -> None:
        """Stop everything and remove what root keeps elsewhere."""
        self.shut_down()
        kill_all(self.postgres_processes())
        pointer = self.folder / "postgres" / "location"
        if pointer.exists():
            shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    async def backlog(self) -> dict[str, int]:
        """What waits anywhere, without what is buried; `{"unknown": 1}` while that cannot be told."""
        try:
            async with self.client() as client:
                answer = await client.get("/v1/backlog")
        except httpx.TransportError:
            return {"unknown": 1}
        if answer.status_code != 200:
            return {"unknown": 1}
        return {
            f"{service}.{what}": count
            for service, counts in answer.json().items()
            for what, count in counts.items()
            if count and what != "buried_events"
        }

    async def settle(self, *, within_seconds: float = 90.0) -> None:
        """Wait until nothing waits anywhere: twice in a row, since an event can lead to another in between."""
        quiet = 0

        async def at_rest() -> bool:
            nonlocal quiet
            waiting = await self.backlog()
            quiet = 0 if waiting else quiet + 1
            assert not waiting, f"still waiting: {waiting}"
            return quiet >= 2

        await eventually(at_rest, within_seconds=within_seconds, every_seconds=0.05)


class EndedEarly(Exception):
    """The platform ended where it should serve; with the end of its log."""


def _inherited() -> dict[str, str]:
    """The environment without what would configure a platform, and with a place for bytecode in any case."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STAVE_")}
    if inherited.pop("PYTHONDONTWRITEBYTECODE", ""):
        # Compiling a thousand modules at each start would be most of what the tests do.
        inherited["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / f"stave-bytecode-{os.getuid()}")
    return inherited


def kill_all(processes: list[psutil.Process]) -> None:
    """SIGKILL processes and wait for their end."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=10)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
