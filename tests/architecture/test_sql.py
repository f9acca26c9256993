"""Queries have one home in each service: its repository."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.members import MEMBERS, SERVICES, parsed, place

SQL = re.compile(r"\s*(SELECT\s|INSERT INTO\s|UPDATE \w+ SET\s|DELETE FROM\s|WITH \w+ AS\s|CREATE TABLE\s)")
# A worker that is the only one of its kind holds a lock; that asks nothing about the service's subject.
LOCK = re.compile(r"\s*SELECT pg_(try_)?advisory")
HOMES = ("repository", "migrations", "models")


def queries_in(file: Path) -> Iterator[str]:
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
            if LOCK.match(node.value):
                continue
            yield place(file, node)


@pytest.mark.parametrize("service", [*SERVICES, "gateway"])
def test_a_service_asks_its_database_in_its_repository_only(service: str) -> None:
    member = MEMBERS[service]
    elsewhere = [
        query
        for file in member.files()
        if file.relative_to(member.package).parts[0].removesuffix(".py") not in HOMES
        for query in queries_in(file)
    ]
    assert elsewhere == []
