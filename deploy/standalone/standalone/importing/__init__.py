"""`stave import`: files of customers and interactions sent to a running platform, streaming, resumable, row by row."""

from typing import TYPE_CHECKING

from standalone.importing.run import ImportClient, Summary, import_customers, import_interactions
from standalone.importing.settings import CustomerImport, InteractionImport, Progress

if TYPE_CHECKING:
    import typer

__all__ = [
    "CustomerImport", "ImportClient", "InteractionImport", "Progress", "Summary", "import_customers",
    "import_interactions", "register",
]  # fmt: skip


def register(application: "typer.Typer") -> None:
    """Add the commands."""
    from standalone.importing.command import register as add

    add(application)
