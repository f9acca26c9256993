"""Who may import whom (design, parts and anatomy of a service)."""

import sys

import grimp
import pytest
from importlinter.api import read_configuration

from tests.support.members import MEMBERS, ROOT, SERVICES

OURS = frozenset(MEMBERS)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*sorted(OURS), include_external_packages=True, cache_dir=None)


def imports_of(graph: grimp.ImportGraph, package: str) -> set[tuple[str, str]]:
    """(module, imported) for every import made in a package, imports in functions included."""
    inside = {package} | graph.find_descendants(package)
    return {(module, found) for module in inside for found in graph.find_modules_directly_imported_by(module)}


def foreign(graph: grimp.ImportGraph, package: str, *, allowed: set[str]) -> set[tuple[str, str]]:
    """Imports that lead out of `allowed` packages and the standard library."""
    return {
        (module, found)
        for module, found in imports_of(graph, package)
        if found.split(".")[0] not in sys.stdlib_module_names
        and not any(found == name or found.startswith(f"{name}.") for name in allowed)
    }


@pytest.mark.parametrize("service", [*SERVICES, "gateway"])
def test_a_service_imports_only_itself_the_chassis_and_the_contracts(graph: grimp.ImportGraph, service: str) -> None:
    others = OURS - {service, "chassis", "contracts"}
    assert {(module, found) for module, found in imports_of(graph, service) if found.split(".")[0] in others} == set()


def test_the_chassis_knows_no_service(graph: grimp.ImportGraph) -> None:
    others = OURS - {"chassis", "contracts"}
    assert {(module, found) for module, found in imports_of(graph, "chassis") if found.split(".")[0] in others} == set()


def test_the_contracts_need_pydantic_only(graph: grimp.ImportGraph) -> None:
    assert foreign(graph, "contracts", allowed={"contracts", "pydantic"}) == set()


@pytest.mark.parametrize("service", SERVICES)
def test_a_domain_is_pure(graph: grimp.ImportGraph, service: str) -> None:
    domain = f"{service}.domain"
    assert domain in graph.modules, f"{service} decides nothing in pure functions"
    # The contracts' words (channels, bands, reasons) are the domain's words too.
    allowed = {domain, "contracts.event", *(["numpy"] if service == "scoring" else [])}
    assert foreign(graph, domain, allowed=allowed) == set()


def test_machine_learning_stays_in_scoring(graph: grimp.ImportGraph) -> None:
    elsewhere = {
        (module, found)
        for package in OURS - {"scoring"}
        for module, found in imports_of(graph, package)
        if found.split(".")[0] in {"sklearn", "scipy"}
    }
    assert elsewhere == set()


def test_the_import_linter_holds_the_same_rules() -> None:
    configuration = read_configuration(str(ROOT / "pyproject.toml"))
    assert set(configuration["session_options"]["root_packages"]) == OURS
    kinds = [contract["type"] for contract in configuration["contracts_options"]]
    assert "independence" in kinds
    assert "layers" in kinds
