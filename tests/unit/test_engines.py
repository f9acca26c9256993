"""A missing engine is said, and a failure where engines are required."""

import pytest

from tests.support.engines import do_without


def test_without_an_engine_the_test_is_skipped_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STAVE_REQUIRE_ENGINES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="PostgreSQL cannot be had: no wheel"):
        do_without("PostgreSQL", reason="no wheel")


def test_where_engines_are_required_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAVE_REQUIRE_ENGINES", "1")
    with pytest.raises(pytest.fail.Exception, match="PostgreSQL cannot be had"):
        do_without("PostgreSQL", reason="no wheel")
