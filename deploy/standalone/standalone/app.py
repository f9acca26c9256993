"""Gateway, services and workers in one event loop: built by their own `build`, joined by plain ASGI calls."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chassis.clock import Clock, clock_for
from chassis.service import Service
from chassis.settings import Settings
from standalone.configuration import Configuration

if TYPE_CHECKING:
    from gateway.app import Gateway

SERVICES = ("customer", "interaction", "scoring", "campaign")
GATEWAY = "gateway"
MEMBERS = (*SERVICES, GATEWAY)


@dataclass
class Platform:
    """All parts, ready to start."""

    services: dict[str, Service]
    gateway: "Gateway"

    @property
    def app(self) -> Any:
        """The gateway's ASGI app: the only one that is served."""
        return self.gateway.app

    async def start(self) -> None:
        """Start every service's workers, then the gateway."""
        for service in self.services.values():
            await service.start()
        await self.gateway.start()

    def drain(self) -> None:
        """Have readiness say no, while what is in flight finishes."""
        self.gateway.drain()
        for service in self.services.values():
            service.draining = True

    async def stop(self) -> None:
        """Stop the gateway, then every service, each after what it has in hand."""
        await self.gateway.stop()
        for service in self.services.values():
            await service.stop()


def import_members() -> None:
    """Import all parts; half of the time a start takes, so it goes on while PostgreSQL starts."""
    for member in MEMBERS:
        import_module(f"{member}.app")


def build_platform(configuration: Configuration) -> Platform:
    """Build all parts on one clock, the services behind the gateway."""
    clock = clock_for(configuration.common.clock)
    services: dict[str, Service] = {name: _build(name, configuration, clock) for name in SERVICES}
    from gateway.upstreams import AsgiUpstream

    upstreams = {name: AsgiUpstream(service.app) for name, service in services.items()}
    return Platform(services, _build(GATEWAY, configuration, clock, upstreams=upstreams))


def _build(member: str, configuration: Configuration, clock: Clock, **more: Any) -> Any:
    settings_class: type[Settings] = getattr(import_module(f"{member}.settings"), f"{member.title()}Settings")
    build: Callable[..., Any] = import_module(f"{member}.app").build
    return build(configuration.of(settings_class), clock=clock, **more)
