"""`stave run`: what is taken and started before anything else is imported, and in which order it goes down."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from standalone.configuration import Configuration, configure
from standalone.data_directory import DataDirectory
from standalone.listening import bind, on_stop_signal
from standalone.postgres import PostgresServer, supervise
from standalone.terminal import say


def run_platform(data_dir: Path, *, host: str, port: int) -> None:
    """Run until told to stop. Raises Refusal, before anything is started, for a folder or a port that is in use."""
    # What the imports make stays for good: looking through it again and again takes a fifth of the start.
    gc.disable()
    with DataDirectory(data_dir) as directory:
        configuration = configure(directory)
        with bind(host, port) as listening, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(directory, configuration, listening))


async def _run(directory: DataDirectory, configuration: Configuration, listening: socket.socket) -> None:
    stop = asyncio.Event()
    on_stop_signal(stop.set)
    async with _on_a_server(directory, configuration) as placed:
        from standalone.serving import serve

        await serve(directory, placed, listening=listening, stop=stop)


@asynccontextmanager
async def _on_a_server(directory: DataDirectory, configuration: Configuration) -> AsyncIterator[Configuration]:
    """The configuration on a database server: the one it names, or one of our own that runs while the block does."""
    if configuration.has_own_server:
        yield configuration
        return
    server = PostgresServer(directory.postgres, report=say)
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    # Let the thread begin before the imports, which take longer, keep this one busy.
    await asyncio.sleep(0)
    try:
        import standalone.serving  # noqa: F401

        placed = configuration.on(await starting)
        async with _supervised(server):
            yield placed
    finally:
        await asyncio.wait({starting})
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
