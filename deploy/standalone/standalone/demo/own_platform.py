"""A platform of the demonstration's own: the ordinary `stave run` in a process of its own, on an empty data folder."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from standalone.data_directory import DataDirectory
from standalone.demo.dataset import Dataset
from standalone.errors import Refusal
from standalone.stopping import stop_platform

START_SECONDS = 60.0
MARK = "made-by-the-demonstration"


class OwnPlatform:
    """Starts, watches and stops the process."""

    def __init__(self, root: Path, port: int) -> None:
        self._directory = DataDirectory(root)
        self._port = port
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._directory.url_file.read_text().strip()

    @property
    def key(self) -> str:
        """Its admin key."""
        return self._directory.admin_key_file.read_text().strip()

    def check(self) -> None:
        """Raises Refusal when the folder is not an earlier demonstration's, or one still runs on it."""
        root = self._directory.root
        if root.exists() and any(root.iterdir()) and not (root / MARK).exists():
            raise Refusal(f"{root} holds something that no demonstration made: choose another --data-dir.")
        holder = self._directory.holder() if root.exists() else None
        if holder is not None:
            raise Refusal(
                f"A demonstration still runs on {root} (process {holder}): stop it with "
                f"`stave stop --data-dir {root}`, or choose another --data-dir and --port."
            )

    def prepare(self) -> None:
        """Empty the folder of an earlier demonstration, which `check` has looked at."""
        root = self._directory.root
        if root.exists() and any(root.iterdir()):
            stop_platform(root, report=lambda _: None)
            pointer = self._directory.postgres / "location"
            if pointer.exists():
                shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)
            shutil.rmtree(root)
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        (root / MARK).touch()

    @asynccontextmanager
    async def running(self, dataset: Dataset) -> AsyncIterator[None]:
        """The process runs inside the block. Raises Refusal with its own words when it does not come up."""
        log = self._directory.root / "stave.log"
        with log.open("wb") as file:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "standalone", "run", "--port", str(self._port), "--data-dir",
                str(self._directory.root), stdout=file, stderr=subprocess.STDOUT, env=_environment(dataset),
                start_new_session=True,
            )  # fmt: skip
        try:
            await self._wait_until_up(log)
            yield
        finally:
            await self._stop()

    async def wait(self) -> None:
        """Until it ends, or the person has seen enough."""
        assert self._process is not None
        await self._process.wait()

    async def _wait_until_up(self, log: Path) -> None:
        assert self._process is not None
        loop = asyncio.get_running_loop()
        until = loop.time() + START_SECONDS
        while not (self._directory.admin_key_file.exists() and self._directory.url_file.exists()):
            if self._process.returncode is not None:
                raise Refusal(f"The platform did not start: {_last_line(log)}")
            if loop.time() > until:
                raise Refusal(f"The platform did not start within {START_SECONDS:.0f} s; see {log}.")
            await asyncio.sleep(0.05)

    async def _stop(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()


def _environment(dataset: Dataset) -> dict[str, str]:
    """Business time of our own, the data's currency, and a partner on this machine."""
    chosen = {
        "STAVE_CLOCK": "virtual",
        "STAVE_CURRENCY": dataset.currency,
        "STAVE_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
        "STAVE_LOG_LEVEL": "WARNING",
        "STAVE_RATE_LIMIT": "1000",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STAVE_")}
    return inherited | chosen


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"it said nothing; see {log}"
