"""`stave run`: the order in which an installation comes up and goes down."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from chassis.telemetry import configure_logging
from standalone.app import MEMBERS, Platform, build_platform, import_members
from standalone.configuration import Configuration, configure
from standalone.data_directory import DataDirectory, write_private
from standalone.databases import check_server, prepare_databases
from standalone.listening import bind, http_server, on_stop_signal, url_of
from standalone.postgres import PostgresServer, supervise
from standalone.terminal import say


def run_platform(data_dir: Path, *, host: str, port: int) -> None:
    """Run until told to stop. Raises Refusal, before anything is started, for a folder or a port that is in use."""
    with DataDirectory(data_dir) as directory:
        configuration = configure(directory)
        with bind(host, port) as listening:
            configure_logging(configuration.common.log_level, "stave")
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_run(directory, configuration, listening))


async def _run(directory: DataDirectory, configuration: Configuration, listening: socket.socket) -> None:
    stop = asyncio.Event()
    on_stop_signal(stop.set)
    async with _on_a_server(directory, configuration) as placed, _started(placed) as platform:
        await _welcome(directory, platform, url_of(listening))
        await _serve(platform, listening, stop)
        say("Stopping.")


async def _serve(platform: Platform, listening: socket.socket, stop: asyncio.Event) -> None:
    server = http_server(platform.app)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    platform.drain()
    stopping.cancel()
    server.should_exit = True
    await serving


@asynccontextmanager
async def _on_a_server(directory: DataDirectory, configuration: Configuration) -> AsyncIterator[Configuration]:
    """The configuration on a database server that answers: the one it names, or one of our own while the block runs."""
    if configuration.has_own_server:
        import_members()
        await check_server(configuration.common.database_url)
        yield configuration
        return
    server = PostgresServer(directory.postgres, report=say)
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    # Let the thread begin before the imports take this one.
    await asyncio.sleep(0)
    import_members()
    try:
        placed = configuration.on(await starting)
        async with _supervised(server):
            yield placed
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def _supervised(server: PostgresServer) -> AsyncIterator[None]:
    enough = asyncio.Event()
    watching = asyncio.create_task(supervise(server, enough), name="postgres")
    try:
        yield
    finally:
        enough.set()
        await watching


@asynccontextmanager
async def _started(configuration: Configuration) -> AsyncIterator[Platform]:
    await prepare_databases(configuration.common, MEMBERS)
    platform = build_platform(configuration)
    try:
        await platform.start()
        yield platform
    finally:
        await platform.stop()


async def _welcome(directory: DataDirectory, platform: Platform, url: str) -> None:
    """Say where the platform is, and at the first start with which key to come in."""
    write_private(directory.url_file, url)
    from gateway.service import ensure_admin_key

    key = await ensure_admin_key(
        platform.gateway.database, keep=lambda made: write_private(directory.admin_key_file, made)
    )
    say(f"Stave runs at {url}, its API documentation is at {url}/docs; stop it with Ctrl-C.")
    if key is not None:
        say(f"Admin API key, shown this once and kept in {directory.admin_key_file}: {key}")
