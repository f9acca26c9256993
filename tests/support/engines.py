"""What a test does when the server it needs cannot be had: skip and say why, or fail where that was asked for."""

import os
from typing import NoReturn

import pytest


def do_without(engine: str, *, reason: object) -> NoReturn:
    """Skip the test, naming the engine; with STAVE_REQUIRE_ENGINES=1 a missing engine is a failure."""
    sentence = f"{engine} cannot be had: {reason}"
    if os.environ.get("STAVE_REQUIRE_ENGINES") == "1":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)
