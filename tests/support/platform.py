"""The real process, started as a user would start it, and killed as a power cut would."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.eventually import eventually

START_SECONDS = 60.0


class PlatformProcess:
    """`stave run` on a data folder; `crash_at` has it kill itself at a seam (see `crashing`)."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._environment = {"STAVE_CLOCK": "virtual", "STAVE_RATE_LIMIT": "100000", "STAVE_LOG_LEVEL": "WARNING"}
        self._environment |= {"STAVE_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8", **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder.parent / f"{folder.name}.log"

    @property
    def url(self) -> str:
        return (self.folder / "url").read_text().strip()

    @property
    def key(self) -> str:
        return (self.folder / "admin.key").read_text().strip()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, crash_at: str = "", port: int = 0) -> None:
        """Start it; with `crash_at="relay.appended:3"` it dies by SIGKILL the third time it comes by that seam."""
        (self.folder / "url").unlink(missing_ok=True)
        module = "tests.support.crashing" if crash_at else "standalone"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STAVE_")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, "run", "--port", str(port), "--data-dir", str(self.folder)],
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd=Path(__file__).parents[2],
                env=inherited | self._environment | {"CRASH_AT": crash_at},
            )  # fmt: skip

    async def wait_until_ready(self) -> None:
        """Until it answers; fails with its log when it ends instead."""

        async def ready() -> bool:
            assert self.is_running, self.said()
            try:
                async with self.client() as client:
                    return (await client.get("/health/ready")).status_code == 200
            except (OSError, httpx.TransportError):
                return False

        await eventually(ready, within_seconds=START_SECONDS, every_seconds=0.05)

    def client(self, **options: Any) -> httpx.AsyncClient:
        """HTTP with the admin key."""
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=options.pop("timeout", 15), trust_env=False, **options
        )

    def kill(self) -> None:
        """SIGKILL the platform; its PostgreSQL stays behind."""
        if self.is_running:
            os.kill(self.pid, signal.SIGKILL)
        self.wait_for_end()

    def kill_with_postgres(self) -> None:
        """SIGKILL the platform and every process of its PostgreSQL."""
        victims = self.postgres_processes()
        self.kill()
        for victim in victims:
            try:
                victim.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(victims, timeout=10)

    def postgres_processes(self) -> list[psutil.Process]:
        """The server of this folder with its children, the server first."""
        pid_file = self.cluster / "postmaster.pid"
        if not pid_file.exists():
            return []
        try:
            server = psutil.Process(int(pid_file.read_text().split()[0]))
            return [server, *server.children(recursive=True)]
        except (psutil.NoSuchProcess, ValueError, IndexError):
            return []

    @property
    def cluster(self) -> Path:
        """The database's files."""
        pointer = self.folder / "postgres" / "location"
        return (Path(pointer.read_text().strip()) if pointer.exists() else self.folder / "postgres") / "cluster"

    def wait_for_end(self, seconds: float = 30.0) -> int:
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> None:
        """Stop everything, gracefully where it can be, and remove what root keeps elsewhere."""
        command = [sys.executable, "-m", "standalone", "stop", "--data-dir", str(self.folder)]
        subprocess.run(command, capture_output=True, check=False, timeout=120)
        if self.is_running:
            self.kill()
        pointer = self.folder / "postgres" / "location"
        if pointer.exists():
            shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    async def settle(self, *, within_seconds: float = 60.0) -> None:
        """Wait until nothing waits anywhere."""
        quiet = 0

        async def at_rest() -> bool:
            nonlocal quiet
            async with self.client() as client:
                answer = await client.get("/v1/backlog")
            if answer.status_code != 200:
                return False
            busy = {
                (service, what)
                for service, counts in answer.json().items()
                for what, count in counts.items()
                if count and what != "buried_events"
            }
            quiet = 0 if busy else quiet + 1
            return quiet >= 2

        await eventually(at_rest, within_seconds=within_seconds, every_seconds=0.05)


def run_for(seconds: float) -> float:
    """A deadline."""
    return time.monotonic() + seconds


async def post_until_acknowledged(
    platform: PlatformProcess, path: str, body: dict[str, Any], *, within_seconds: float = 60.0, **headers: str
) -> httpx.Response:
    """Send again, as a client that was cut off would, until a 2xx comes; anything but a passing failure fails the test."""

    async def acknowledged() -> httpx.Response | None:
        try:
            async with platform.client() as client:
                answer = await client.post(path, json=body, headers=headers)
        except (OSError, httpx.TransportError):
            return None
        assert answer.status_code < 300 or answer.status_code in (409, 503, 504), answer.text
        return answer if answer.status_code < 300 else None

    found: httpx.Response = await eventually(acknowledged, within_seconds=within_seconds, every_seconds=0.1)
    return found


async def gather_limited(coroutines: list[Any], *, limit: int = 16) -> list[Any]:
    """Run coroutines, so many at a time."""
    slots = asyncio.Semaphore(limit)

    async def run(coroutine: Any) -> Any:
        async with slots:
            return await coroutine

    return list(await asyncio.gather(*(run(coroutine) for coroutine in coroutines)))
