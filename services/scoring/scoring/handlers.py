"""What happens when events arrive."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.consumer import Received, Subscriptions
from contracts.customer import (
    CustomerCreated,
    CustomerErased,
    CustomerMerged,
    CustomerProfile,
    CustomerUnmerged,
    CustomerUpdated,
)
from contracts.interaction import HistoryRecorded, InteractionRecorded
from scoring.domain.news import Cause
from scoring.parts import ScoringParts
from scoring.service import identities, intake
from scoring.service.rescore import rescore


async def on_interactions_recorded(
    session: AsyncSession, received: Sequence[Received[InteractionRecorded]], parts: ScoringParts
) -> None:
    """Fold what happened and score everybody it touches, in one model call."""
    touched = await intake.take_live(session, received, parts)
    await rescore(session, parts, dict.fromkeys(touched, Cause.LIVE), received=touched)


async def on_history_recorded(
    session: AsyncSession, received: Sequence[Received[HistoryRecorded]], parts: ScoringParts
) -> None:
    """Fold the past; scoring waits until it has settled."""
    await intake.take_history(session, received, parts)


async def on_profiles_changed(
    session: AsyncSession, received: Sequence[Received[CustomerProfile]], parts: ScoringParts
) -> None:
    """Keep the newest attributes."""
    await identities.keep_profiles(session, received, parts)


async def on_customers_merged(
    session: AsyncSession, received: Sequence[Received[CustomerMerged]], parts: ScoringParts
) -> None:
    """Count one customer's behaviour as another's."""
    for one in received:
        await identities.merge(session, one, parts)


async def on_customers_unmerged(
    session: AsyncSession, received: Sequence[Received[CustomerUnmerged]], parts: ScoringParts
) -> None:
    """Give each its own behaviour back."""
    for one in received:
        await identities.unmerge(session, one, parts)


async def on_customers_erased(
    session: AsyncSession, received: Sequence[Received[CustomerErased]], parts: ScoringParts
) -> None:
    """Forget."""
    for one in received:
        await identities.erase(session, one, parts)


SUBSCRIPTIONS: Subscriptions = {
    InteractionRecorded: on_interactions_recorded,
    HistoryRecorded: on_history_recorded,
    CustomerCreated: on_profiles_changed,
    CustomerUpdated: on_profiles_changed,
    CustomerMerged: on_customers_merged,
    CustomerUnmerged: on_customers_unmerged,
    CustomerErased: on_customers_erased,
}
