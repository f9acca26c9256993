"""The `stave` command: help with an example, bad input in one sentence with exit code 2."""

import socket
from pathlib import Path

import pytest

from standalone.cli import execute


@pytest.mark.parametrize("command", ["run", "stop"])
def test_each_command_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([command, "--help"]) == 0
    assert f"Example: stave {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fly"], "No such command"),
        (["run", "--port", "high"], "--port"),
        (["run", "--port", "70000"], "--port"),
        (["run", "--wings"], "No such option"),
    ],
)
def test_bad_input_is_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_port_that_is_taken_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert execute(["run", "--port", str(port), "--data-dir", str(tmp_path / "var")]) == 2
    assert f"Port {port} on 127.0.0.1 is taken" in capsys.readouterr().err
    assert not (tmp_path / "var" / "postgres").exists()


def test_settings_that_cannot_be_read_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAVE_CURRENCY", "euro")
    assert execute(["run", "--port", "0", "--data-dir", str(tmp_path / "var")]) == 2
    assert "STAVE_CURRENCY" in capsys.readouterr().err


def test_stopping_where_nothing_runs_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["stop", "--data-dir", str(tmp_path)]) == 0
    assert "Nothing runs" in capsys.readouterr().out
