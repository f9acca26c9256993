"""The gateway's own routes: keys, operations across the services, health, and the one API document."""

from collections.abc import Sequence

from fastapi import APIRouter

from gateway.endpoints.documents import documents_router
from gateway.endpoints.health import health_router
from gateway.endpoints.keys import keys_router
from gateway.endpoints.operations import operations_router

ROUTERS: Sequence[APIRouter] = (keys_router, operations_router, health_router, documents_router)
