"""What scoring believes: the latest scores, tier and stage with their history, open alerts."""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.consumer import Received
from chassis.database import raw_connection
from contracts.scoring import ChurnAlert, ChurnAlertCleared, ChurnAlertRaised, ChurnAlertUpdated, CustomerScored
from customer.handlers.erased import of_the_living
from customer.parts import CustomerParts
from customer.repository import standings

V = TypeVar("V", CustomerScored, ChurnAlertRaised | ChurnAlertUpdated, ChurnAlertCleared)
_CHURN = {"probability", "band", "horizon_days", "model", "scored_at", "base", "reasons", "contractual", "prior"}


async def on_customers_scored(
    session: AsyncSession, received: Sequence[Received[CustomerScored]], _parts: CustomerParts
) -> None:
    """Keep the newest scores of each customer."""
    newest: dict[object, CustomerScored] = {}
    for item in await of_the_living(session, received):
        known = newest.get(item.event.customer_id)
        if known is None or known.version < item.event.version:
            newest[item.event.customer_id] = item.event
    if newest:
        found = [
            standings.Standing(
                event.customer_id, event.tier, event.stage, _scores(event), event.scored_at, event.version
            )
            for event in newest.values()
        ]
        await standings.save_standings(await raw_connection(session), found)


def _scores(event: CustomerScored) -> dict[str, object]:
    """Scores in the form the API shows them."""
    return {
        "churn": event.model_dump(mode="json", include=_CHURN),
        "value": {
            "expected_margin": event.expected_margin.model_dump(mode="json"),
            "horizon_days": event.value_horizon_days,
            "tier": event.tier,
            "model": event.value_model,
            "prior": event.value_prior,
            "margin_assumed": event.margin_assumed,
        },
        "stage": event.stage,
    }


async def on_alerts_told(
    session: AsyncSession, received: Sequence[Received[ChurnAlertRaised | ChurnAlertUpdated]], _parts: CustomerParts
) -> None:
    """Keep the newest state of each open alert."""
    newest: dict[object, ChurnAlertRaised | ChurnAlertUpdated] = {}
    for item in await of_the_living(session, received):
        known = newest.get(item.event.alert_id)
        if known is None or known.version < item.event.version:
            newest[item.event.alert_id] = item.event
    if newest:
        alerts = [
            standings.Alert(
                event.alert_id, event.customer_id, "open", _facts(event), event.raised_at, None, event.version
            )
            for event in newest.values()
        ]
        await standings.save_alerts(await raw_connection(session), alerts)


def _facts(event: ChurnAlert) -> dict[str, object]:
    """An alert in the form the API shows it."""
    shown = event.model_dump(mode="json", exclude={"version", "alert_id"})
    return {"id": str(event.alert_id)} | shown


async def on_alerts_cleared(
    session: AsyncSession, received: Sequence[Received[ChurnAlertCleared]], _parts: CustomerParts
) -> None:
    """Close alerts."""
    newest = {item.event.alert_id: item.event for item in await of_the_living(session, received)}
    if newest:
        alerts = [
            standings.Alert(
                event.alert_id, event.customer_id, "cleared", {"state": "cleared", "cause": event.cause}, None,
                event.cleared_at, event.version,
            )
            for event in newest.values()
        ]  # fmt: skip
        await standings.save_alerts(await raw_connection(session), alerts)
