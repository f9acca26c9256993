"""The platform on a database server that runs: databases brought up to date, parts started, requests answered."""

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.telemetry import configure_logging
from gateway.service import ensure_admin_key
from standalone.app import MEMBERS, Platform, build_platform, import_members
from standalone.configuration import Configuration
from standalone.data_directory import DataDirectory, write_private
from standalone.databases import check_server, prepare_databases
from standalone.listening import http_server, url_of
from standalone.terminal import say

import_members()


async def serve(
    directory: DataDirectory, configuration: Configuration, *, listening: socket.socket, stop: asyncio.Event
) -> None:
    """Bring the platform up, answer requests until `stop` is set, then let everything finish what it has in hand."""
    _write_logs(configuration)
    if configuration.has_own_server:
        await check_server(configuration.common.database_url)
    await prepare_databases(configuration.common, MEMBERS)
    async with _started(build_platform(configuration)) as platform:
        gc.freeze()
        # Batches make thousands of short-lived objects: looking for cycles every 700 of them costs a tenth of the work.
        gc.set_threshold(50_000, 20, 100)
        gc.enable()
        await _welcome(directory, platform, url_of(listening))
        await _answer(platform, listening, stop)
        say("Stopping.")


def _write_logs(configuration: Configuration) -> None:
    configure_logging(configuration.common.log_level, "stave")
    # What libraries say about a start or a stop that goes as it should is left out.
    for chatty in ("alembic.runtime.plugins", "alembic.runtime.migration", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


@asynccontextmanager
async def _started(platform: Platform) -> AsyncIterator[Platform]:
    try:
        await platform.start()
        yield platform
    finally:
        await platform.stop()


async def _answer(platform: Platform, listening: socket.socket, stop: asyncio.Event) -> None:
    server = http_server(platform.app)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    platform.drain()
    stopping.cancel()
    server.should_exit = True
    await serving


async def _welcome(directory: DataDirectory, platform: Platform, url: str) -> None:
    """Say where the platform is, and at the first start with which key to come in."""
    key = await ensure_admin_key(
        platform.gateway.database, keep=lambda made: write_private(directory.admin_key_file, made)
    )
    write_private(directory.url_file, url)
    say(f"Stave runs at {url}, its API documentation is at {url}/docs; stop it with Ctrl-C.")
    if key is not None:
        say(f"Admin API key, shown this once and kept in {directory.admin_key_file}: {key}")
