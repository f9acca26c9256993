"""`stave import customers` and `stave import interactions`."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from standalone.errors import Refusal
from standalone.importing.mapping import pairs
from standalone.importing.run import OnProgress, Summary, import_customers, import_interactions
from standalone.importing.settings import CustomerImport, InteractionImport, Progress
from standalone.terminal import complain, err, out

File = Annotated[Path, typer.Argument(help="CSV, NDJSON or Parquet; told apart by what it holds.")]
Source = Annotated[str, typer.Option(help="The system it comes from; with an external id it names a customer.")]
Map = Annotated[
    list[str], typer.Option("--map", help="FIELD=COLUMN, as often as needed; obvious names are recognised.")
]
Set = Annotated[list[str], typer.Option("--set", help="FIELD=VALUE for every row, as often as needed.")]
Url = Annotated[str, typer.Option(help="Where the platform is; by default this machine's, as in var/url.")]
Key = Annotated[
    str, typer.Option(help="API key; by default STAVE_API_KEY, or var/admin.key of this machine's platform.")
]
_DEFAULT_URL = "http://127.0.0.1:8080"
Importing = Callable[[httpx.AsyncClient, OnProgress], Awaitable[Summary]]


def register(application: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Import files of customers or interactions.", no_args_is_help=True)
    group.command("customers", epilog=_CUSTOMERS_EXAMPLE)(customers)
    group.command("interactions", epilog=_INTERACTIONS_EXAMPLE)(interactions)
    application.add_typer(group, name="import")


_CUSTOMERS_EXAMPLE = (
    "Example: stave import customers customers.csv --source crm --map external_id=Id --map 'attributes.*=*'"
)
_INTERACTIONS_EXAMPLE = (
    "Example: stave import interactions baskets.parquet --source shop --currency USD --time-zone America/New_York"
)


def customers(
    *, file: File, source: Source, mapping: Map = [], constants: Set = [], url: Url = "", key: Key = ""  # noqa: B006
) -> None:  # fmt: skip
    """Import customers, one a row. `--map attributes.NAME=COLUMN` keeps a column, `attributes.*=*` all others."""
    options = CustomerImport(source, pairs(mapping, "--map"), pairs(constants, "--set"))
    _run(lambda client, seen: import_customers(file, options, client, seen), file=file, url=url, key=key)


def interactions(
    *,
    file: File,
    source: Source,
    mapping: Map = [],  # noqa: B006
    constants: Set = [],  # noqa: B006
    kind: Annotated[str, typer.Option(help="What every row is.")] = "",
    channel: Annotated[str, typer.Option(help="Where every row happened; `store` if nothing says otherwise.")] = "",
    currency: Annotated[
        str, typer.Option(help="Currency of every amount; by default the platform's reporting currency.")
    ] = "",
    time_zone: Annotated[str, typer.Option(help="Zone of times that have none, e.g. Europe/Berlin.")] = "",
    time_format: Annotated[
        str, typer.Option(help="How times are written, e.g. '%d/%m/%Y %H:%M', if not recognised.")
    ] = "",
    decimal_comma: Annotated[bool, typer.Option(help="Numbers are written 1.234,50.")] = False,
    number_rows: Annotated[bool, typer.Option(help="Rows have no id: tell them apart by their number.")] = False,
    live: Annotated[bool, typer.Option(help="What has just happened, not history: it may raise alerts.")] = False,
    url: Url = "",
    key: Key = "",
) -> None:
    """Import interactions; rows of one `source_id` are the lines of one purchase (`--map lines.product=COLUMN`)."""
    told = {name: value for name, value in (("kind", kind), ("channel", channel), ("currency", currency)) if value}
    options = InteractionImport(
        source, pairs(mapping, "--map"), pairs(constants, "--set") | told, time_zone=_zone(time_zone),
        time_format=time_format or None, decimal_comma=decimal_comma, number_rows=number_rows, live=live,
    )  # fmt: skip
    _run(lambda client, seen: import_interactions(file, options, client, seen), file=file, url=url, key=key)


def _zone(name: str) -> str | None:
    from zoneinfo import ZoneInfo

    if not name:
        return None
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Refusal(f"{name} is no time zone such as Europe/Berlin.") from None
    return name


def _run(importing: Importing, *, file: Path, url: str, key: str) -> None:
    summary = asyncio.run(_import(importing, url=_address(url), key=key or _own_key(), title=file.name))
    for remark in summary.remarks:
        complain(remark)
    _tell(summary)


def _address(url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise Refusal(f"--url {url}: say http:// or https:// before it.")
    if url:
        return url
    path = Path(os.environ.get("STAVE_DATA_DIR", "var")) / "url"
    return path.read_text().strip() if path.is_file() else _DEFAULT_URL


def _own_key() -> str:
    if key := os.environ.get("STAVE_API_KEY"):
        return key
    path = Path(os.environ.get("STAVE_DATA_DIR", "var")) / "admin.key"
    if not path.is_file():
        raise Refusal("No API key: pass --key, or set STAVE_API_KEY, or run it where the platform's var/admin.key is.")
    return path.read_text().strip()


async def _import(importing: Importing, *, url: str, key: str, title: str) -> Summary:
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[said]}")
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120, trust_env=False) as client:
        with Bar(*columns, TimeRemainingColumn(), console=err, disable=not err.is_terminal, transient=True) as bar:
            task = bar.add_task(title, total=1.0, said="")

            def show(seen: Progress) -> None:
                bar.update(
                    task,
                    completed=seen.share,
                    said=f"{seen.accepted + seen.duplicates:,} in, {seen.rejected:,} rejected",
                )

            return await importing(client, show)


def _tell(summary: Summary) -> None:
    from rich.table import Table

    table = Table(show_header=False, box=None)
    rows: list[tuple[str, Any]] = [
        ("rows read", f"{summary.read:,}"), ("accepted", f"{summary.accepted:,}"),
        ("already there", f"{summary.duplicates:,}"), ("rows rejected", f"{summary.rejected:,}"),
        ("seconds", f"{summary.seconds:.1f}"),
    ]  # fmt: skip
    for name, value in rows:
        table.add_row(name, value)
    out.print(table)
    if summary.rejects is not None:
        complain(f"The rejected rows and why: {summary.rejects}")
