"""Ends what runs on a data folder: the platform's process, and the PostgreSQL that a killed one left behind."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from standalone.data_directory import DataDirectory
from standalone.errors import Refusal
from standalone.postgres import PostgresServer
from standalone.terminal import say

PATIENCE_SECONDS = 90.0


def stop_platform(data_dir: Path, *, report: Callable[[str], None] = say) -> None:
    """Stop whatever runs on the folder and say what it was. Raises Refusal when it is not ours or does not end."""
    directory = DataDirectory(data_dir)
    stopped = _stop_process(directory, report)
    if directory.postgres.exists():
        with directory:
            stopped = _stop_postgres(directory, report) or stopped
    if not stopped:
        report(f"Nothing runs on {directory.root}.")


def _stop_process(directory: DataDirectory, report: Callable[[str], None]) -> bool:
    holder = directory.holder()
    if holder is None:
        return False
    try:
        os.kill(holder, signal.SIGTERM)
    except PermissionError as error:
        raise Refusal(f"Process {holder} on {directory.root} belongs to another user: stop it as that user.") from error
    except ProcessLookupError:
        return False
    until = time.monotonic() + PATIENCE_SECONDS
    while directory.holder() == holder:
        if time.monotonic() > until:
            raise Refusal(f"Process {holder} on {directory.root} does not end: look at its log, or kill it.")
        time.sleep(0.05)
    report(f"Stopped Stave (process {holder}).")
    return True


def _stop_postgres(directory: DataDirectory, report: Callable[[str], None]) -> bool:
    server = PostgresServer(directory.postgres)
    pid = server.pid
    if pid is None:
        return False
    server.stop()
    report(f"Stopped the PostgreSQL it left behind (process {pid}).")
    return True
