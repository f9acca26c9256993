"""API keys as text, and who may give which scope."""

import pytest

from gateway.credentials import Credentials, mint, read_bearer
from gateway.scopes import SCOPES, lacking


def test_a_minted_key_is_read_back_and_proves_itself() -> None:
    minted = mint()
    read = read_bearer(f"Bearer {minted}".encode())
    assert read is not None
    assert read.prove(minted.digest)


def test_another_secret_under_the_same_prefix_proves_nothing() -> None:
    minted = mint()
    assert not Credentials(minted.prefix, mint().secret).prove(minted.digest)


def test_two_keys_share_neither_prefix_nor_secret() -> None:
    first, second = mint(), mint()
    assert first.prefix != second.prefix
    assert first.secret != second.secret


def test_a_secret_holds_256_random_bits() -> None:
    assert len(mint().secret) == 43


@pytest.mark.parametrize(
    "header",
    [b"", b"Bearer", b"Basic abc", b"Bearer stv_short.x", b"Bearer \xff\xfe", b"Bearer stv_aaaaaaaaaaaa." + b"x" * 44],
)
def test_what_cannot_be_a_key_is_none(header: bytes) -> None:
    assert read_bearer(header) is None


def test_a_key_is_not_shown_by_its_representation() -> None:
    minted = mint()
    assert minted.secret not in repr(minted)


def test_admin_lacks_nothing() -> None:
    assert lacking({"admin"}, SCOPES) == []


def test_nobody_else_has_what_was_not_given() -> None:
    assert lacking({"ops", "customers:read"}, ["customers:read", "customers:write", "admin"]) == [
        "admin", "customers:write",
    ]  # fmt: skip
