"""PostgreSQL out of a wheel: private, durable, adopted, restarted, refused when it cannot be read."""

import asyncio
import os
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from standalone.errors import Refusal
from standalone.postgres import PostgresServer, supervise
from tests.support.eventually import eventually

MakeServer = Callable[..., PostgresServer]


def home_of(folder: Path) -> Path:
    """Where the server of a folder really lives: root's are elsewhere, and the folder says where."""
    pointer = folder / "location"
    return Path(pointer.read_text().strip()) if pointer.exists() else folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "postgres"
    yield folder
    if folder.exists() and home_of(folder) != folder:
        shutil.rmtree(home_of(folder), ignore_errors=True)


@pytest.fixture
def make(folder: Path) -> Iterator[MakeServer]:
    made = []

    def server(said: list[str] | None = None) -> PostgresServer:
        made.append(
            PostgresServer(folder, report=said.append if said is not None else lambda _: None, ends_with_parent=True)
        )
        return made[-1]

    yield server
    for one in made:
        one.stop()


async def ask(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_what_is_committed_outlives_the_server(make: MakeServer) -> None:
    server = make()
    await ask(server.start(), "CREATE TABLE kept AS SELECT 7 AS number")
    server.stop()
    assert not server.is_alive()
    assert await ask(server.start(), "SELECT number FROM kept") == 7


@pytest.mark.parametrize(
    ("setting", "value"),
    [("synchronous_commit", "on"), ("fsync", "on"), ("full_page_writes", "on"), ("data_checksums", "on"),
     ("listen_addresses", "")],
)  # fmt: skip
async def test_it_is_durable_and_not_on_the_network(make: MakeServer, setting: str, value: str) -> None:
    assert await ask(make().start(), f"SELECT current_setting('{setting}')") == value


async def test_without_the_password_nobody_comes_in(make: MakeServer, folder: Path) -> None:
    url = make().start()
    wrong = url.replace(str(urlsplit(url).password), "guessed")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(wrong, "SELECT 1")


async def test_its_files_are_for_its_user_alone(make: MakeServer, folder: Path) -> None:
    url = make().start()
    home, sockets = home_of(folder), Path(parse_qs(urlsplit(url).query)["host"][0])
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (sockets, home / "cluster", home / "password")}
    assert modes == {sockets: 0o700, home / "cluster": 0o700, home / "password": 0o600}


async def test_a_socket_path_that_is_too_long_is_avoided(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / ("long" * 30), ends_with_parent=True)
    try:
        assert await ask(server.start(), "SELECT 1") == 1
    finally:
        server.stop()
        shutil.rmtree(home_of(tmp_path / ("long" * 30)), ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="about what root's server may do")
async def test_roots_server_runs_as_somebody_else_and_opens_no_folder(make: MakeServer, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    said: list[str] = []
    server = make(said)
    server.start()
    assert server.pid is not None
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert any("/var/lib/stave/" in sentence for sentence in said)


async def test_one_left_behind_by_a_killed_parent_is_adopted(make: MakeServer) -> None:
    left, found = make(), make()
    url = left.start()
    assert found.start() == url
    assert found.pid == left.pid
    found.stop()
    assert left.has_ended()


async def test_a_killed_server_recovers_what_was_committed(make: MakeServer) -> None:
    server = make()
    url = server.start()
    await ask(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    busy = asyncio.create_task(ask(url, "SELECT pg_sleep(60)"))
    await asyncio.sleep(0)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await eventually(lambda: server.has_ended())
    assert await ask(server.start(), "SELECT count(*) FROM kept") == 1000
    # How a connection tells of its server's death depends on what it was doing at that moment.
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
        await busy


async def test_a_supervised_server_that_dies_is_started_again(make: MakeServer) -> None:
    server = make()
    url = server.start()
    stop = asyncio.Event()
    watching = asyncio.create_task(supervise(server, stop))
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: server.pid not in (None, killed) and server.is_alive())
    assert await ask(url, "SELECT 1") == 1
    stop.set()
    await watching


async def test_a_stale_lock_file_with_somebody_elses_pid_does_not_stop_it(make: MakeServer, folder: Path) -> None:
    server = make()
    server.start()
    lock = home_of(folder) / "cluster" / "postmaster.pid"
    lines = lock.read_text().split("\n")
    server.stop()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert server.pid is None
    assert await ask(server.start(), "SELECT 1") == 1


def test_a_data_folder_of_an_older_major_version_is_refused_with_the_way_out(make: MakeServer, folder: Path) -> None:
    server = make()
    server.start()
    server.stop()
    (home_of(folder) / "cluster" / "PG_VERSION").write_text("17\n")
    with pytest.raises(Refusal, match="PostgreSQL 17 .*stave backup"):
        server.start()


def test_creation_that_was_killed_leaves_nothing_half_made(make: MakeServer, folder: Path) -> None:
    server = make()
    server.start()
    server.stop()
    home = home_of(folder)
    (home / "cluster").rename(home / "cluster.new")
    (home / "cluster.new" / "PG_VERSION").unlink()
    server.start()
    assert server.is_alive()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server lives outside its folder")
def test_a_copied_data_folder_does_not_write_into_the_original(make: MakeServer, folder: Path) -> None:
    make().start()
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    with pytest.raises(Refusal, match="is a copy of"):
        PostgresServer(copy).start()
