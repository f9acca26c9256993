"""What the serving process imports decides how fast it answers: nothing heavy before it is needed."""

import subprocess
import sys

import pytest

from tests.support.members import ROOT

HEAVY = ("sklearn", "scipy", "alembic", "mako", "pandas", "pyarrow", "matplotlib", "kafka")

PROBE = """
import sys
import standalone.serving


print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def imported() -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("library", HEAVY)
def test_serving_does_not_import(imported: set[str], library: str) -> None:
    assert library not in imported
