"""The process that serves scores starts without the libraries that only training needs."""

import subprocess
import sys


def test_serving_imports_neither_scikit_learn_nor_scipy() -> None:
    code = "import sys, scoring.app; print([name for name in ('sklearn', 'scipy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
