"""The gateway put together: the front, its own routes behind it, and the services it leads to."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware

from chassis.clock import Clock, SystemClock
from chassis.database import Database
from chassis.errors import register_error_handlers
from chassis.identity import IdentityVerifier
from chassis.openapi import document, name_operation
from chassis.routing import scopes_of
from chassis.telemetry import TraceMiddleware
from gateway.audit import AuditTrail
from gateway.auth import Authenticator, KeyRing
from gateway.endpoints import ROUTERS
from gateway.limits import RateLimiter
from gateway.parts import GatewayParts
from gateway.proxy import Door, Front
from gateway.routes import OWN, SERVICES
from gateway.settings import GatewaySettings
from gateway.upstreams import AsgiApp, AsgiUpstream, HttpUpstream, Upstream

_EXPOSED_HEADERS = [
    "ETag", "Location", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Stave-Trace-Id",
    "Idempotency-Replayed",
]  # fmt: skip


@dataclass
class Gateway:
    """What runs: `app` answers every request of the platform."""

    app: AsgiApp
    parts: GatewayParts
    audit: AuditTrail
    upstreams: Mapping[str, Upstream]

    @property
    def database(self) -> Database:
        """Where keys and the audit trail are."""
        return self.parts.database

    async def start(self) -> None:
        """Begin to store the audit trail; the app itself is served by whoever mounts it."""
        self.parts.draining = False
        self.audit.start()

    def drain(self) -> None:
        """Tell probes to send no more traffic; what comes nevertheless is still answered."""
        self.parts.draining = True

    async def stop(self) -> None:
        """Store what is left of the audit trail, then let go of everything. Call it after the last request."""
        self.drain()
        await self.audit.close()
        await self.parts.keys.close()
        for upstream in self.upstreams.values():
            await upstream.close()
        await self.parts.database.close()


def build(
    settings: GatewaySettings, *, upstreams: Mapping[str, Upstream] | None = None, clock: Clock | None = None
) -> Gateway:
    """The gateway in front of the given services; without any, in front of those the settings name, over HTTP."""
    services = upstreams if upstreams is not None else _over_http(settings)
    clock = clock or SystemClock()
    database = Database(settings.database_url_for(OWN), name=OWN)
    keys = KeyRing(database, monotonic=time.monotonic)
    parts = GatewayParts(settings=settings, database=database, clock=clock, keys=keys, services=services)
    everyone = {**services, OWN: AsgiUpstream(_own_app(parts))}
    audit = AuditTrail(database)
    front = Front(
        Door(
            settings=settings, upstreams=everyone, audit=audit, clock=clock,
            authenticator=Authenticator(keys, secret=settings.key, clock=clock),
            limiter=RateLimiter(
                per_second=settings.rate_limit, burst=settings.rate_burst, monotonic=time.monotonic
            ),
        )
    )  # fmt: skip
    return Gateway(_with_cors(front, settings.cors_origins), parts=parts, audit=audit, upstreams=everyone)


def _over_http(settings: GatewaySettings) -> dict[str, Upstream]:
    return {name: HttpUpstream(getattr(settings, f"{name}_url")) for name in SERVICES}


def _own_app(parts: GatewayParts) -> FastAPI:
    """The gateway's own routes; behind the front they get the same signed identity as a service."""
    app = FastAPI(
        title="Stave gateway", version="1", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    app.state.service = parts
    app.state.verifier = IdentityVerifier(parts.settings.key)
    scopes: dict[str, frozenset[str]] = {}
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute):
                scopes[name_operation(route, OWN)] = scopes_of(route) or frozenset()
            app.router.routes.append(route)
    app.openapi = lambda: document(app, scopes)  # type: ignore[method-assign]
    register_error_handlers(app)
    app.add_middleware(TraceMiddleware, service=OWN)
    return app


def _with_cors(front: Front, origins: list[str]) -> AsgiApp:
    if not origins:
        return front
    return CORSMiddleware(
        front, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=_EXPOSED_HEADERS,
        max_age=3600,
    )  # fmt: skip
