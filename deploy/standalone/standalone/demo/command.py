"""What the command does around the loop: make the data ready, bring a platform up, show the report, wait or stop."""

import asyncio
import contextlib
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from standalone.demo.client import Platform, PlatformRefused
from standalone.demo.dataset import Dataset, UnusableData
from standalone.demo.datasets import DATASETS
from standalone.demo.flow import Findings, Loop, Step
from standalone.demo.own_platform import OwnPlatform
from standalone.demo.page import write_page
from standalone.demo.receiver import Receiver
from standalone.demo.report import Report, make_report
from standalone.demo.text import show
from standalone.errors import Refusal
from standalone.terminal import out, say


@dataclass(frozen=True)
class Choices:
    """What the command line said."""

    dataset: str
    path: Path | None
    data_dir: Path
    port: int
    url: str | None
    key: str | None
    leave: bool
    page: Path


def run_demo(choices: Choices) -> None:
    """Run the demonstration. Raises Refusal for what its user can put right."""
    if choices.dataset not in DATASETS:
        raise Refusal(f"--data {choices.dataset}: there is {', '.join(DATASETS)}.")
    if (choices.url is None) != (choices.key is None):
        raise Refusal("--url and --key go together: the address of a running platform and an admin key of it.")
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        try:
            asyncio.run(_demonstrate(choices))
        except (PlatformRefused, UnusableData) as error:
            raise Refusal(str(error)) from error


async def _demonstrate(choices: Choices) -> None:
    # A SIGTERM ends the demonstration's platform too, not the demonstration alone.
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    own = None if choices.url else OwnPlatform(choices.data_dir, choices.port)
    if own is not None:
        own.check()
    say(f"Reading {choices.dataset}.")
    with tempfile.TemporaryDirectory(prefix="stave-demo-") as folder:
        began = time.perf_counter()
        dataset = await asyncio.to_thread(DATASETS[choices.dataset], choices.path, Path(folder))
        await _tell(choices, own, dataset, read_seconds=time.perf_counter() - began)


async def _tell(choices: Choices, own: OwnPlatform | None, dataset: Dataset, *, read_seconds: float) -> None:
    """Run the loop on a data set that could be read, and report."""
    if own is not None:
        own.prepare()
    async with _platform(choices, own, dataset) as platform:
        report = await _loop(platform, dataset)
        report.found.steps.insert(0, _reading(dataset, read_seconds))
        show(report, out)
        write_page(report, choices.page)
        say(f"\nThe same with charts: {choices.page.resolve()}")
        if own is not None and choices.leave:
            say(f"The platform is still running at {platform.url} (API documentation: {platform.url}/docs).")
            say(f"Admin key: {own.key}. Stop it with Ctrl-C.")
            await own.wait()


def _reading(dataset: Dataset, seconds: float) -> Step:
    return Step("read the source", seconds, f"{len(dataset.customers):,} customers, {len(dataset.days)} days to replay")


@asynccontextmanager
async def _platform(choices: Choices, own: OwnPlatform | None, dataset: Dataset) -> AsyncIterator[Platform]:
    if own is None:
        async with Platform(choices.url or "", choices.key or "") as platform:
            yield platform
        return
    say("Starting the platform.")
    async with own.running(dataset), Platform(own.url, own.key) as platform:
        yield platform


async def _loop(platform: Platform, dataset: Dataset) -> Report:
    receiver = Receiver()
    try:
        with _bar() as progress:
            task = progress.add_task("", total=None)

            def on_progress(what: str, done: int, total: int | None) -> None:
                progress.update(task, description=what, completed=done, total=total)

            found: Findings = await Loop(platform, dataset, receiver, on_progress).run()
        return make_report(dataset, found, receiver)
    finally:
        receiver.close()


def _bar() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    return Progress(*columns, TimeElapsedColumn(), console=out, transient=True)
