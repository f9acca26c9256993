"""`stave run` and `stave stop`."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path, typer.Option(help="Folder that holds everything this installation keeps.")]


def register(application: typer.Typer) -> None:
    """Add the commands."""
    application.command(epilog="Example: stave run --port 8080 --data-dir var")(run)
    application.command(epilog="Example: stave stop --data-dir var")(stop)


def run(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")] = 8080,
    data_dir: DataDir = Path("var"),
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every network.")] = "127.0.0.1",
) -> None:
    """Run the whole platform in this process, on a PostgreSQL of its own unless STAVE_DATABASE_URL names one."""
    from standalone.running import run_platform

    run_platform(data_dir, host=host, port=port)


def stop(*, data_dir: DataDir = Path("var")) -> None:
    """Stop the platform of a data folder, and the PostgreSQL that a killed one left behind."""
    from standalone.stopping import stop_platform

    stop_platform(data_dir)
