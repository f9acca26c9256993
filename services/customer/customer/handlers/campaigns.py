"""What campaign did: the actions decided for a customer and what became of them."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.consumer import Received
from chassis.database import raw_connection
from contracts.campaign import ActionDecided, DeliveryFailed, DeliverySucceeded
from customer.handlers.erased import of_the_living
from customer.parts import CustomerParts
from customer.repository.standings import Action, save_actions


async def on_actions_decided(
    session: AsyncSession, received: Sequence[Received[ActionDecided]], _parts: CustomerParts
) -> None:
    """Remember what was decided."""
    await _keep(session, [
        Action(
            item.event.decision_id, item.event.customer_id, "decided",
            item.event.model_dump(mode="json", exclude={"customer_id", "tier", "stage"}), item.event.decided_at, None,
        )
        for item in await of_the_living(session, received)
    ])  # fmt: skip


async def on_deliveries_succeeded(
    session: AsyncSession, received: Sequence[Received[DeliverySucceeded]], _parts: CustomerParts
) -> None:
    """Remember what reached its endpoint."""
    await _keep(session, [
        _outcome(item.event, "delivered", item.event.delivered_at) for item in await of_the_living(session, received)
    ])  # fmt: skip


async def on_deliveries_failed(
    session: AsyncSession, received: Sequence[Received[DeliveryFailed]], _parts: CustomerParts
) -> None:
    """Remember what was given up."""
    await _keep(session, [
        _outcome(item.event, "failed", item.event.failed_at) for item in await of_the_living(session, received)
    ])  # fmt: skip


def _outcome(event: DeliverySucceeded | DeliveryFailed, state: str, at: object) -> Action:
    delivery = event.model_dump(mode="json", exclude={"customer_id", "decision_id", "alert_id"})
    facts = {"decision_id": event.decision_id and str(event.decision_id), "delivery": delivery}
    return Action(event.decision_id or event.delivery_id, event.customer_id, state, facts, at, at)  # type: ignore[arg-type]


async def _keep(session: AsyncSession, actions: Sequence[Action]) -> None:
    # One statement can touch a row only once; of two outcomes of one action the later in the batch counts.
    latest = {action.id: action for action in actions}
    if latest:
        await save_actions(await raw_connection(session), list(latest.values()))
