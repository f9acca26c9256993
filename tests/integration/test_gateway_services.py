"""The gateway in front of the real services: every route of theirs can be reached through it, and is documented."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any

import pytest
import schemathesis
from fastapi.routing import APIRoute

from chassis.service import Service
from gateway.app import Gateway
from gateway.routes import SERVICES, is_open, service_for
from gateway.settings import GatewaySettings
from gateway.upstreams import AsgiUpstream, ask
from tests.conftest import SettingsFor
from tests.support.gateway import client_of, open_gateway

# Every service has these, and the gateway asks all of them.
ASKED_BY_THE_GATEWAY = re.compile(r"^/(health|metrics|openapi\.json|internal|v1/(jobs|dead-letters|backlog))(/|$)")


@pytest.fixture
async def services(settings_for: SettingsFor) -> AsyncIterator[dict[str, Service]]:
    async with AsyncExitStack() as stack:
        built: dict[str, Service] = {}
        for name in SERVICES:
            settings_class = getattr(import_module(f"{name}.settings"), f"{name.title()}Settings")
            built[name] = import_module(f"{name}.app").build(await settings_for(settings_class))
            stack.push_async_callback(built[name].stop)
        yield built


@pytest.fixture
async def gateway(settings_for: SettingsFor, services: dict[str, Service]) -> AsyncIterator[Gateway]:
    upstreams = {name: AsgiUpstream(service.app) for name, service in services.items()}
    async with open_gateway(await settings_for(GatewaySettings), upstreams) as opened:
        yield opened


def routes_of(service: Service) -> list[tuple[str, str]]:
    return [
        (method, route.path_format)
        for route in service.app.router.routes
        if isinstance(route, APIRoute) and not ASKED_BY_THE_GATEWAY.match(route.path)
        for method in sorted(route.methods)
    ]


async def test_every_route_of_every_service_can_be_reached(services: dict[str, Service]) -> None:
    lost = [
        (name, path)
        for name, service in services.items()
        for _, path in routes_of(service)
        if service_for(path) != name
    ]
    assert lost == []


async def test_every_route_of_every_service_needs_a_key(gateway: Gateway, services: dict[str, Service]) -> None:
    routes = [route for service in services.values() for route in routes_of(service)]
    assert len(routes) > 20
    async with client_of(gateway) as client:
        answers = {
            route: (await client.request(route[0], re.sub(r"\{[^}]+\}", "x", route[1]))).status_code for route in routes
        }
    assert {route: status for route, status in answers.items() if status != 401} == {}


async def test_a_service_called_directly_answers_nobody(services: dict[str, Service]) -> None:
    for service in services.values():
        for method, template in routes_of(service):
            path = re.sub(r"\{[^}]+\}", "0190a6f0-7b6e-7cc0-8000-000000000000", template)
            answer = await ask(AsgiUpstream(service.app), method, path)
            assert (service.name, method, path, answer.status) == (service.name, method, path, 401)


async def test_the_one_document_is_valid_and_shows_every_route(gateway: Gateway, services: dict[str, Service]) -> None:
    async with client_of(gateway) as client:
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
    schemathesis.openapi.from_dict(document).validate()
    shown = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    for service in services.values():
        assert set(routes_of(service)) - shown == set()
    assert not [path for path in document["paths"] if path.startswith("/internal")]
    assert document["openapi"].startswith("3.1")


async def test_every_operation_names_its_service_and_resolves_its_references(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        answer = await client.get("/openapi.json")
    document = answer.json()
    operations = [(path, one) for path, item in document["paths"].items() for one in item.values()]
    described = {tag["name"] for tag in document["tags"]}
    assert {tag for _, one in operations for tag in one["tags"]} == described == {*SERVICES, "gateway"}
    assert len({one["operationId"] for _, one in operations}) == len(operations)
    assert {path for path, one in operations if one.get("security") == []} == {
        path for path, _ in operations if is_open(path)
    }
    for section, name in set(re.findall(r'"#/components/(\w+)/([^"/]+)"', answer.text)):
        assert name in document["components"][section]
