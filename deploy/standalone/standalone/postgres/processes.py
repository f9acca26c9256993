"""What can be said about a process that need not be our child: whether it lives, and which cluster it serves."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path


def is_running(pid: int) -> bool:
    """Whether the process exists and has not ended; one that only waits for its parent to notice has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not _state(pid).startswith("Z")


def read_pid(pid_file: Path) -> int | None:
    """The pid in PostgreSQL's own lock file, or None when there is none."""
    try:
        first, *_ = pid_file.read_text().split("\n")
        return int(first)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def serves(pid: int, cluster: Path) -> bool:
    """Whether that process is a PostgreSQL server on this cluster; a pid is given to another process in time."""
    words = _output("ps", "-ww", "-o", "command=", "-p", str(pid))
    return "postgres" in words and str(cluster) in words


def quit_orphans(cluster: Path) -> None:
    """End what is left of a server whose first process was killed (Linux; elsewhere they are only waited for)."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cwd").resolve() == cluster and (folder / "comm").read_text().strip() == "postgres":
                os.kill(int(folder.name), signal.SIGQUIT)


def _state(pid: int) -> str:
    status = Path(f"/proc/{pid}/stat")
    if status.exists():
        with suppress(OSError):
            return status.read_text().rpartition(")")[2].strip()
        return "Z"
    return _output("ps", "-o", "stat=", "-p", str(pid)).strip()


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
