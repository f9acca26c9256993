"""When a deferred action is decided again: at its hour, or when the business clock is set."""

from datetime import datetime, timedelta

from campaign.app import build
from campaign.settings import CampaignSettings
from chassis.clock import SystemClock
from tests.conftest import ClientFor, SettingsFor
from tests.support.campaign import NOON, OFFER, TwoClocks, alert, consent, created, handle, listed, playbook
from tests.support.eventually import eventually

QUIET = playbook(quiet_hours={"from": "11:00", "to": "13:00"})


class ShiftedClock(SystemClock):
    """Business time goes on from where it began."""

    def __init__(self, begin: datetime) -> None:
        self._ahead = begin - self.system_now()

    def business_now(self) -> datetime:
        return self.system_now() + self._ahead


async def test_a_deferred_action_is_taken_when_the_clock_is_set(
    settings_for: SettingsFor, service_client: ClientFor
) -> None:
    service = build(await settings_for(CampaignSettings, clock="virtual"), clock=TwoClocks())
    async with service_client(service) as client, service.running():
        await created(client, "/v1/offers", OFFER)
        await created(client, "/v1/playbooks", QUIET)
        raised = alert()
        await handle(service, consent(raised.customer_id), raised)
        assert [one["outcome"] for one in await listed(client, "/v1/decisions")] == ["deferred"]
        await service.set_clock(NOON + timedelta(hours=1))
        # Sooner than any safety net.
        await eventually(lambda: listed(client, "/v1/decisions?outcome=act"), within_seconds=10)


async def test_a_deferred_action_is_taken_when_its_hour_comes(
    settings_for: SettingsFor, service_client: ClientFor
) -> None:
    clock = ShiftedClock(NOON + timedelta(minutes=59, seconds=57))
    service = build(await settings_for(CampaignSettings), clock=clock)
    async with service_client(service) as client, service.running():
        await created(client, "/v1/offers", OFFER)
        await created(client, "/v1/playbooks", QUIET)
        raised = alert()
        await handle(service, consent(raised.customer_id), raised)
        act = (await eventually(lambda: listed(client, "/v1/decisions?outcome=act"), within_seconds=15))[0]
        outcomes = [one["outcome"] for one in await listed(client, "/v1/decisions")]
    assert outcomes == ["act", "deferred"]
    assert act["decided_at"] >= "2026-06-03T13:00:00"
