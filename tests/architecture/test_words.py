"""Names say what a thing is (style, names)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.members import MEMBERS, parsed, place

# Words that say nothing wherever they stand in a name, and words that say nothing when they are the whole name.
EMPTY_WORDS = frozenset({"util", "utils", "helper", "helpers", "common", "manager", "processor"})
EMPTY_NAMES = frozenset({"data", "info", "obj"})


def words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def says_nothing(name: str) -> bool:
    return name.lower().strip("_") in EMPTY_NAMES or bool(words(name) & EMPTY_WORDS)


def names_in(file: Path) -> Iterator[tuple[str, str]]:
    """(place, name) of every class, function, argument and module of ours in a file."""
    yield place(file), file.stem
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield place(file, node), node.name
        elif isinstance(node, ast.arg):
            yield place(file, node), node.arg


def test_no_name_is_empty() -> None:
    empty = [
        f"{where} {name}"
        for member in MEMBERS.values()
        for file in member.files()
        for where, name in names_in(file)
        if says_nothing(name)
    ]
    assert empty == []
