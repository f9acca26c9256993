"""The past comes in the way any file does: through `stave import interactions`, called in process."""

from standalone.demo.client import Platform
from standalone.demo.dataset import Dataset, History, ShowProgress
from standalone.importing.run import import_interactions
from standalone.importing.settings import InteractionImport, Progress


async def import_file(history: History, dataset: Dataset, platform: Platform, show: ShowProgress) -> str:
    """Import one prepared file as history; returns what became of it in words."""
    options = InteractionImport(
        dataset.source_name, columns=history.mapping, constants=history.constants, time_zone="UTC"
    )

    def on_progress(seen: Progress) -> None:
        show("import their past", round(seen.share * 1000), 1000)

    summary = await import_interactions(history.path, options, platform.http, on_progress)
    refused = f", {summary.rejected:,} lines refused" if summary.rejected else ""
    return f"{summary.read:,} lines, {summary.accepted:,} interactions{refused}"
