"""Writes `docs/settings.md` and `.env.example` from the settings classes, so that neither can drift from the code.

`python -m tests.support.settings_page` (or `make docs`) writes them; an architecture test compares.
"""

import sys
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from importlib import import_module
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from chassis.settings import Settings
from tests.support.members import MEMBERS, ROOT, SERVICES

PAGE = ROOT / "docs" / "settings.md"
EXAMPLE = ROOT / ".env.example"
# Given as one variable for each service: STAVE_<SERVICE>_DATABASE_URL.
SPREAD = "database_urls"

_INTRODUCTION = """# Settings

Read from the environment or from a file `.env` in the folder Stave is started in; `.env.example` lists them all. Spans
are written `90s`, `15m`, `48h`, `30d`, `2w` or as ISO 8601; lists with commas. This page is written by `make docs`.
"""
# Read by commands that speak to a running platform.
COMMAND_LINE = {
    "STAVE_API_KEY": "Key for `stave import`, `stave demo` and the like; without it `admin.key` of the data folder",
    "STAVE_DATA_DIR": "Where these commands look for it; without it `var`",
}


def settings_classes() -> Iterator[tuple[str, type[Settings]]]:
    """(part, its settings class), the shared one first."""
    yield "every part", Settings
    for name in (*SERVICES, "gateway"):
        if (MEMBERS[name].package / "settings.py").exists():
            yield name, getattr(import_module(f"{name}.settings"), f"{name.title()}Settings")


def fields() -> Iterator[tuple[str, str, FieldInfo]]:
    """(part, variable, field) of every setting, each where it is declared first."""
    seen = set()
    for part, settings_class in settings_classes():
        for name, field in settings_class.model_fields.items():
            if name not in seen and name != SPREAD:
                seen.add(name)
                yield part, f"STAVE_{name.upper()}", field


def shown(value: Any) -> str:
    """A default as one would write it into `.env`; secrets and absent ones as nothing."""
    if value is None or isinstance(value, SecretStr):
        return ""
    if isinstance(value, timedelta):
        hours, rest = divmod(int(value.total_seconds()), 3600)
        if rest or not hours:
            return f"{int(value.total_seconds())}s"
        return f"{hours // 24}d" if hours % 24 == 0 and hours > 48 else f"{hours}h"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ",".join(f"{key}={worth}" for key, worth in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(map(shown, value))
    return str(value.value if isinstance(value, Enum) else value)


def default_of(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    # The embedded shape brings its own server and id: their defaults would only mislead.
    return "" if isinstance(value, UUID) or value == Settings.model_fields["database_url"].default else shown(value)


def page() -> str:
    """The documentation page."""
    lines, at = [_INTRODUCTION], None
    for part, variable, field in fields():
        if part != at:
            lines += ["", f"## {part[0].upper()}{part[1:]}", "", "| variable | default | what it does |"]
            lines.append("| --- | --- | --- |")
            at = part
        default = default_of(field)
        what = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{variable}` | {f'`{default}`' if default else ''} | {what} |")
        if variable == "STAVE_DATABASE_URL":
            lines += [f"| `STAVE_{name.upper()}_DATABASE_URL` | | The database of {name}, when it is elsewhere |"
                      for name in (*SERVICES, "gateway")]  # fmt: skip
    lines += ["", "## Command line", "", "| variable | default | what it does |", "| --- | --- | --- |"]
    lines += [f"| `{variable}` |  | {what} |" for variable, what in COMMAND_LINE.items()]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def example() -> str:
    """The example file: every setting, commented out, at its default."""
    lines = ["# Copy to .env and uncomment what you change; docs/settings.md explains each."]
    at = None
    for part, variable, field in fields():
        if part != at:
            lines += ["", f"# {part[0].upper()}{part[1:]}"]
            at = part
        lines.append(f"# {variable}={default_of(field)}")
    lines += ["", "# Command line", *(f"# {variable}=" for variable in COMMAND_LINE)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write both files."""
    PAGE.write_text(page())
    EXAMPLE.write_text(example())
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} and {EXAMPLE.relative_to(ROOT)} are up to date.\n")


if __name__ == "__main__":
    main()
