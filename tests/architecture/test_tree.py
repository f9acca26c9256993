"""What is tracked works on any machine: nobody's paths, no package index, the parts the design names."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.members import MEMBERS, ROOT, SERVICES

# Written apart, so that this file does not find itself.
INDEX_HOSTS = ("files.python" + "hosted.org", "pypi" + ".org/simple", "registry.npm" + "js.org", "repo1.maven" + ".org")
HOME_OF_SOMEBODY = re.compile(r"(?<![\w.])/(?:root|work|home/\w+|Users/\w+)/")
CREDENTIAL_IN_URL = re.compile(r"https?://[^/\s:@\"'{}<>]+:[^/\s@\"'{}<>]+@")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.splitlines() if listed.returncode == 0 else []
    if not names:
        ignored = {".venv", "var", ".git"}
        names = [
            str(Path(folder, file).relative_to(ROOT))
            for folder, inside, files in os.walk(ROOT)
            if not (inside.__setitem__(slice(None), [one for one in inside if one not in ignored]))
            for file in files
        ]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def texts() -> dict[str, str]:
    found = {}
    for file in tracked():
        try:
            found[str(file.relative_to(ROOT))] = file.read_text()
        except UnicodeDecodeError:
            continue
    return found


def test_every_part_of_the_design_is_there() -> None:
    assert set(MEMBERS) == {"contracts", "chassis", *SERVICES, "gateway", "standalone"}


@pytest.mark.parametrize("host", INDEX_HOSTS)
def test_no_package_index_is_named(host: str) -> None:
    assert [name for name, text in texts().items() if host in text] == []


def test_no_path_of_one_machine_is_named() -> None:
    found = [f"{name}: {match.group()}" for name, text in texts().items() for match in HOME_OF_SOMEBODY.finditer(text)]
    assert [one for one in found if not one.startswith("tests/architecture/test_tree.py")] == []


def test_no_url_carries_a_password() -> None:
    named = [name for name, text in texts().items() if CREDENTIAL_IN_URL.search(text)]
    # Tests hand such addresses in, to see them refused.
    assert [name for name in named if not name.startswith("tests/")] == []


def test_constraints_pin_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text().split()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[0-9][0-9a-z.]*", line)] == []
