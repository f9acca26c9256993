"""The tree as the architecture tests see it: which members there are, where they are, what is in them."""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("customer", "interaction", "scoring", "campaign")


@dataclass(frozen=True)
class Member:
    """One distribution: its folder and the import package in it, which have the same name."""

    name: str
    folder: Path

    @property
    def package(self) -> Path:
        return self.folder / self.name

    @property
    def project(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]

    def files(self) -> list[Path]:
        return sorted(self.package.rglob("*.py"))


def all_members() -> list[Member]:
    """Every member that is there; `test_tree` says which have to be."""
    folders = [*ROOT.glob("libs/*"), *ROOT.glob("services/*"), ROOT / "gateway", ROOT / "deploy/standalone"]
    return [Member(folder.name, folder) for folder in folders if (folder / "pyproject.toml").exists()]


MEMBERS = {member.name: member for member in all_members()}


def source_files() -> list[Path]:
    """Every Python file of ours, tests included."""
    return [*(file for member in MEMBERS.values() for file in member.files()), *sorted((ROOT / "tests").rglob("*.py"))]


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), str(file))


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def place(file: Path, node: ast.AST | None = None) -> str:
    """File and line, as an editor jumps to."""
    line = f":{node.lineno}" if node is not None and hasattr(node, "lineno") else ""
    return f"{file.relative_to(ROOT)}{line}"
