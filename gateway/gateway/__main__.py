"""`python -m gateway api|migrate`: the gateway as a process of its own, in front of services over HTTP."""

import argparse
import asyncio
import sys

from gateway.settings import GatewaySettings


def main() -> None:
    """Read the command line and the settings, then run the part that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description="Run the gateway, or migrate its database.")
    parser.add_argument("part", choices=["api", "migrate"], help="what to run")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default 8080)")
    arguments = parser.parse_args()
    try:
        settings = GatewaySettings()
    except ValueError as error:
        sys.exit(f"settings: {error}")
    asyncio.run(_migrate(settings) if arguments.part == "migrate" else _serve(settings, arguments.host, arguments.port))


async def _migrate(settings: GatewaySettings) -> None:
    from chassis.migrations import ensure_database, migrate

    url = settings.database_url_for("gateway")
    await ensure_database(url)
    await migrate(url, "gateway")


async def _serve(settings: GatewaySettings, host: str, port: int) -> None:
    import uvicorn

    from chassis.telemetry import configure_logging
    from gateway.app import build

    configure_logging(settings.log_level, "gateway")
    gateway = build(settings)
    await gateway.start()
    server = uvicorn.Server(
        uvicorn.Config(gateway.app, host=host, port=port, log_config=None, lifespan="off", access_log=False)
    )
    try:
        await server.serve()
    finally:
        await gateway.stop()


if __name__ == "__main__":
    main()
