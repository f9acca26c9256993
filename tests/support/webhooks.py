"""A campaign service with a partner of its own, for tests of webhooks."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from campaign.app import build
from campaign.settings import CampaignSettings
from chassis.clock import SystemClock
from chassis.service import Service
from tests.conftest import ClientFor, SettingsFor
from tests.support.campaign import (
    created,
    listed,
)
from tests.support.eventually import eventually

RAISED = "scoring.churn_alert_raised.*"
Running = Callable[..., AbstractAsyncContextManager[tuple[Service, httpx.AsyncClient]]]


@pytest.fixture(name="campaign")
async def campaign_service(settings_for: SettingsFor, service_client: ClientFor) -> Running:
    """`async with campaign(webhook_schedule="0,0.01") as (service, client)`: the service with its workers."""

    @asynccontextmanager
    async def run(*, start: bool = True, **overrides: Any) -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
        options = {"webhook_allow_networks": "127.0.0.0/8", "news_window": timedelta(days=36500)} | overrides
        service = build(await settings_for(CampaignSettings, **options), clock=SystemClock())
        try:
            if start:
                await service.start()
            async with service_client(service) as client:
                yield service, client
        finally:
            await service.stop()

    return run


async def endpoint(client: httpx.AsyncClient, url: str, **changes: Any) -> dict[str, Any]:
    return await created(client, "/v1/webhooks/endpoints", {"url": url, "event_types": [RAISED]} | changes)


async def settled(client: httpx.AsyncClient, state: str = "succeeded", count: int = 1) -> list[dict[str, Any]]:
    async def probe() -> list[dict[str, Any]] | None:
        found = await listed(client, f"/v1/webhooks/deliveries?state={state}&limit=200")
        return found if len(found) >= count else None

    result: list[dict[str, Any]] = await eventually(probe)
    return result
