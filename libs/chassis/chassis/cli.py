"""`python -m <service> api|worker|migrate`: one part of a service as a process of its own."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Any

from chassis.service import Service
from chassis.settings import Settings
from chassis.telemetry import configure_logging


def run(build: Callable[..., Service], settings_class: type[Settings]) -> None:
    """Read the command line and the settings, then run the part that was asked for."""
    package = build.__module__.split(".", 1)[0]
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=f"Run a part of the {package} service.")
    parser.add_argument("part", choices=["api", "worker", "migrate"], help="what to run")
    parser.add_argument("--host", default="127.0.0.1", help="address the api listens on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port the api listens on (default 8000)")
    arguments = parser.parse_args()
    try:
        settings = settings_class()
    except ValueError as error:
        sys.exit(f"settings: {error}")
    configure_logging(settings.log_level, package)
    if arguments.part == "migrate":
        asyncio.run(_migrate(settings, package))
    elif arguments.part == "worker":
        asyncio.run(_work(build(settings)))
    else:
        _serve(build(settings), arguments)


async def _migrate(settings: Settings, package: str) -> None:
    from chassis.migrations import ensure_database, migrate

    url = settings.database_url_for(package)
    await ensure_database(url)
    await migrate(url, package)


async def _work(service: Service) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await service.start(api=False)
    await stop.wait()
    await service.stop()


def _serve(service: Service, arguments: Any) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            # Readiness says no from here on, while what is in flight finishes.
            service.draining = True
            super().handle_exit(sig, frame)

    async def serve() -> None:
        await service.start(worker=False)
        await Server(uvicorn.Config(service.app, host=arguments.host, port=arguments.port, log_config=None)).serve()
        await service.stop()

    asyncio.run(serve())
