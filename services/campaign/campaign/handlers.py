"""What the service does about events: keeps local copies, decides about alerts, and tells partners of all there is."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.parts import CampaignParts
from campaign.service import customers
from campaign.service.alerts import clear_alerts, consider_alerts
from campaign.service.fan_out import OFFERED, fan_out
from chassis.consumer import Received, Subscriptions
from contracts.campaign import ActionDecided
from contracts.customer import (
    ConsentChanged,
    ContactChanged,
    CustomerCreated,
    CustomerErased,
    CustomerMerged,
    CustomerProfile,
    CustomerUnmerged,
    CustomerUpdated,
)
from contracts.scoring import ChurnAlert, ChurnAlertCleared, ChurnAlertRaised, ChurnAlertUpdated, CustomerScored


async def on_customer_changed(
    session: AsyncSession, received: Sequence[Received[CustomerProfile]], parts: CampaignParts
) -> None:
    """Keep the profile."""
    await customers.keep_profiles(session, received)
    await fan_out(session, received, parts)


async def on_consent_changed(
    session: AsyncSession, received: Sequence[Received[ConsentChanged]], parts: CampaignParts
) -> None:
    """Keep the consent."""
    await customers.keep_consents(session, received)
    await fan_out(session, received, parts)


async def on_contact_changed(
    session: AsyncSession, received: Sequence[Received[ContactChanged]], parts: CampaignParts
) -> None:
    """Keep the contact points; they never reach a partner."""
    await customers.keep_contacts(session, received)


async def on_customer_merged(
    session: AsyncSession, received: Sequence[Received[CustomerMerged]], parts: CampaignParts
) -> None:
    """Follow the merge."""
    await customers.merge(session, received)
    await fan_out(session, received, parts)


async def on_customer_unmerged(
    session: AsyncSession, received: Sequence[Received[CustomerUnmerged]], parts: CampaignParts
) -> None:
    """Take the merge back."""
    await customers.unmerge(session, received)
    await fan_out(session, received, parts)


async def on_customer_erased(
    session: AsyncSession, received: Sequence[Received[CustomerErased]], parts: CampaignParts
) -> None:
    """Forget the customer."""
    await customers.erase(session, received, parts)
    await fan_out(session, received, parts)


async def on_customer_scored(
    session: AsyncSession, received: Sequence[Received[CustomerScored]], parts: CampaignParts
) -> None:
    """Keep the newest beliefs."""
    await customers.keep_scores(session, received)
    await fan_out(session, received, parts)


async def on_churn_alert(session: AsyncSession, received: Sequence[Received[ChurnAlert]], parts: CampaignParts) -> None:
    """Decide what to do about it."""
    await consider_alerts(session, received, parts)


async def on_churn_alert_cleared(
    session: AsyncSession, received: Sequence[Received[ChurnAlertCleared]], parts: CampaignParts
) -> None:
    """Stop what waits because of it."""
    await clear_alerts(session, received, parts)


async def on_event(session: AsyncSession, received: Sequence[Received[Any]], parts: CampaignParts) -> None:
    """Tell the partners who asked for it."""
    await fan_out(session, received, parts)


# An action reaches its receivers in the transaction that decides it, not by way of the event log.
_ONLY_FANNED_OUT = {event: on_event for event in OFFERED if event is not ActionDecided}

SUBSCRIPTIONS: Subscriptions = _ONLY_FANNED_OUT | {
    CustomerCreated: on_customer_changed,
    CustomerUpdated: on_customer_changed,
    CustomerMerged: on_customer_merged,
    CustomerUnmerged: on_customer_unmerged,
    CustomerErased: on_customer_erased,
    ConsentChanged: on_consent_changed,
    ContactChanged: on_contact_changed,
    CustomerScored: on_customer_scored,
    ChurnAlertRaised: on_churn_alert,
    ChurnAlertUpdated: on_churn_alert,
    ChurnAlertCleared: on_churn_alert_cleared,
}
