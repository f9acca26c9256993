"""The HTTP app of a service: its routers and those every service has, in one flat table of routes."""

import copy
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from chassis.errors import register_error_handlers
from chassis.health import health_router
from chassis.identity import IdentityVerifier
from chassis.openapi import document, name_operation
from chassis.operations import operations_router
from chassis.routing import IdempotentRoute, Router, StrictModel, scopes_of
from chassis.telemetry import TraceMiddleware

if TYPE_CHECKING:
    from chassis.service import Service

__all__ = ["IdempotentRoute", "Router", "StrictModel", "create_app", "scopes_of"]


def create_app(service: "Service") -> FastAPI:
    """The app of a service. Refuses routes that name no scope, and two endpoints of one name."""
    app = FastAPI(
        title=f"Stave {service.name}", version="1", docs_url=None, redoc_url=None,
        # A redirect would name the service's own address, which is none of the caller's business.
        redirect_slashes=False,
    )  # fmt: skip
    app.state.service = service
    app.state.verifier = IdentityVerifier(service.settings.key)
    scopes: dict[str, frozenset[str]] = {}
    for router in (*service.routers, operations_router):
        _add_routes(app, router, service.name, scopes)
    app.router.routes.extend(health_router.routes)
    app.openapi = lambda: document(app, scopes)  # type: ignore[method-assign]
    register_error_handlers(app)
    app.add_middleware(TraceMiddleware, service=service.name)
    return app


def _add_routes(app: FastAPI, router: APIRouter, service: str, scopes: dict[str, frozenset[str]]) -> None:
    """Add copies of a router's routes; FastAPI's include_router would match each request's path twice."""
    for route in router.routes:
        if not isinstance(route, APIRoute):
            raise TypeError(f"{service}: {route!r} is no API route; list nested routers one by one")
        required = scopes_of(route)
        if required is None:
            raise ValueError(f"{service}: {route.path} names no scope; add dependencies=[requires(…)]")
        mine: Any = copy.copy(route)
        operation = name_operation(mine, service)
        if operation in scopes:
            raise ValueError(f"{service}: two endpoints are called {route.endpoint.__name__}")
        scopes[operation] = required
        app.router.routes.append(mine)
