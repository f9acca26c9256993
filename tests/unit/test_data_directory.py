"""The data folder: one process, one format, secrets for its owner."""

import os
import stat
from pathlib import Path

import pytest

from standalone.data_directory import DataDirectory
from standalone.errors import Refusal


def test_a_second_process_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with DataDirectory(tmp_path), pytest.raises(Refusal, match=f"process {os.getpid()}.*stave stop"):
        DataDirectory(tmp_path).__enter__()


def test_it_is_free_again_afterwards(tmp_path: Path) -> None:
    with DataDirectory(tmp_path):
        assert DataDirectory(tmp_path).holder() == os.getpid()
    assert DataDirectory(tmp_path).holder() is None


def test_one_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("99\n")
    with pytest.raises(Refusal, match="newer Stave"):
        DataDirectory(tmp_path).__enter__()
    assert DataDirectory(tmp_path).holder() is None


def test_a_folder_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("v2.1-beta\n")
    with pytest.raises(Refusal, match="is .* a data folder of Stave"):
        DataDirectory(tmp_path).__enter__()


def test_the_installation_and_its_secret_are_made_once(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as directory:
        identity, secret = directory.installation_id(), directory.secret_key().read_text()
    with DataDirectory(tmp_path) as directory:
        assert (directory.installation_id(), directory.secret_key().read_text()) == (identity, secret)
    assert len(secret) >= 32
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match="cannot be used"):
        DataDirectory(tmp_path / "file" / "below").__enter__()
