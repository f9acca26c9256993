"""Which errors are worth another try."""

import asyncpg
import pytest

from chassis.database import is_transient


def broken_off() -> Exception:
    """What a connection that the server ended between two statements leads to: the rollback fails as well."""
    try:
        try:
            raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
        except asyncpg.InternalClientError:
            raise asyncpg.InterfaceError("cannot perform operation: another operation is in progress")  # noqa: B904
    except asyncpg.InterfaceError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(broken_off(), id="broken off between statements"),
        pytest.param(asyncpg.AdminShutdownError("terminated"), id="terminated"),
        pytest.param(asyncpg.CannotConnectNowError("starting up"), id="starting up"),
        pytest.param(asyncpg.DiskFullError("no space left"), id="disk full"),
        pytest.param(asyncpg.DeadlockDetectedError("deadlock"), id="deadlock"),
        pytest.param(asyncpg.InterfaceError("connection is closed"), id="closed"),
        pytest.param(ConnectionResetError(), id="reset"),
        pytest.param(TimeoutError(), id="too long"),
    ],
)
def test_trouble_with_the_database_is_tried_again(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(asyncpg.UniqueViolationError("duplicate"), id="duplicate"),
        pytest.param(asyncpg.InterfaceError("cannot perform operation: another operation is in progress"), id="misuse"),
        pytest.param(asyncpg.UndefinedColumnError("no such column"), id="our mistake"),
        pytest.param(ValueError("no"), id="any other"),
    ],
)
def test_what_would_fail_again_is_not(error: Exception) -> None:
    assert not is_transient(error)
