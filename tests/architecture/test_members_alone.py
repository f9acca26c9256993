"""Each member imports alone: in an environment with its own dependencies and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.members import MEMBERS, ROOT, Member

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
    # A migration environment runs when it is imported; a __main__ too.
    if ".migrations" not in module.name and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""


def uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    assert found, "uv is missing: run the tests with `make test`"
    return found


def run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def environment_of(member: Member, folder: Path) -> Path:
    """A fresh environment with the member in it, from uv's cache where that is filled."""
    run(uv(), "venv", "--quiet", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    install = [uv(), "pip", "install", "--quiet", "--python", python, "-c", "constraints.txt", "-b", "constraints.txt"]
    cached = subprocess.run([*map(str, install), "--offline", "-e", str(member.folder)], cwd=ROOT, check=False)
    if cached.returncode != 0:
        run(*install, "-e", member.folder)
    return python


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_a_member_imports_alone(name: str, tmp_path: Path) -> None:
    python = environment_of(MEMBERS[name], tmp_path / "environment")
    imported = run(python, "-W", "error", "-c", IMPORT_ALL, name)
    assert imported.count("\n") >= len([file for file in MEMBERS[name].package.glob("*.py") if file.stem[0] != "_"])
