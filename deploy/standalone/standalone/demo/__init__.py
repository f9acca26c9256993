"""`stave demo`: the closed loop on real data, from an empty database to a report."""

from pathlib import Path
from typing import Annotated

import typer


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command(epilog="Example: stave demo --data telco --path ../shared/data/telco_ibm --exit")(demo)


def demo(
    *,
    dataset: Annotated[
        str, typer.Option("--data", help="complete-journey, online-retail or telco.")
    ] = "complete-journey",
    path: Annotated[Path | None, typer.Option(help="Folder or file of online-retail or telco.")] = None,
    data_dir: Annotated[Path, typer.Option(help="Folder of the demonstration's own platform; emptied first.")] = Path(
        "var/demo"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the demonstration's own platform.")] = 8080,
    url: Annotated[str | None, typer.Option(help="Use a running platform (with STAVE_CLOCK=virtual) instead.")] = None,
    key: Annotated[str | None, typer.Option(help="Admin API key of that platform.", envvar="STAVE_API_KEY")] = None,
    exit_: Annotated[bool, typer.Option("--exit", help="Stop after the report instead of leaving it running.")] = False,
    page: Annotated[Path, typer.Option(help="Where to write the HTML page of the report.")] = Path(
        "var/demo-report.html"
    ),
) -> None:
    """Import real customers, train, score, replay weeks of live traffic, act, and report what came of it."""
    from standalone.demo.command import Choices, run_demo

    run_demo(
        Choices(dataset=dataset, path=path, data_dir=data_dir, port=port, url=url, key=key, leave=not exit_, page=page)
    )
