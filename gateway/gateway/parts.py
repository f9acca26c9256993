"""What the gateway's own endpoints work with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from chassis.clock import Clock
from chassis.database import Database
from gateway.auth import KeyRing
from gateway.settings import GatewaySettings
from gateway.upstreams import Upstream


@dataclass
class GatewayParts:
    """The gateway's database, the keys in memory, and the services it stands in front of."""

    settings: GatewaySettings
    database: Database
    clock: Clock
    keys: KeyRing
    services: Mapping[str, Upstream]
    name: str = "gateway"
    draining: bool = False

    @property
    def parts(self) -> "GatewayParts":
        """To the chassis's dependencies the gateway is its own service."""
        return self


async def _parts(request: Request) -> GatewayParts:
    parts: GatewayParts = request.app.state.service
    return parts


PartsDep = Annotated[GatewayParts, Depends(_parts)]
