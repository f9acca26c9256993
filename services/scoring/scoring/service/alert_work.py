"""What people do with alerts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import raw_connection
from chassis.errors import FieldError, Invalid
from chassis.outbox import publish
from contracts.scoring import ChurnAlertUpdated
from scoring.errors import AlertDoesNotExist
from scoring.models import AlertRow
from scoring.parts import ScoringParts
from scoring.repository import alerts, customers
from scoring.service.alert_cases import assigned, awake, dismissed, noted, snoozed, told, told_cleared


async def assign(session: AsyncSession, parts: ScoringParts, alert_id: UUID, assignee: str | None) -> AlertRow:
    """Put an alert into somebody's hands."""
    alert = await _locked(session, parts, alert_id)
    return await _saved(session, parts, assigned(alert, assignee))


async def note(session: AsyncSession, parts: ScoringParts, alert_id: UUID, *, author: str, text: str) -> AlertRow:
    """Add a note."""
    alert = await _locked(session, parts, alert_id)
    return await _saved(session, parts, noted(alert, author=author, text=text, at=parts.clock.business_now()))


async def snooze(session: AsyncSession, parts: ScoringParts, alert_id: UUID, until: datetime) -> AlertRow:
    """Put an alert off and tell who would act on it; its customer is looked at again when the time is over."""
    if until <= parts.clock.business_now():
        raise Invalid(
            "An alert can be put off only into the future.", errors=[FieldError("/until", "lies in the past")]
        )
    alert = await _saved(session, parts, snoozed(await _locked(session, parts, alert_id), until))
    publish(session, told(ChurnAlertUpdated, alert, currency=parts.settings.currency))
    await customers.look_no_later(await raw_connection(session), alert.customer_id, until)
    return alert


async def dismiss(session: AsyncSession, parts: ScoringParts, alert_id: UUID, *, author: str, reason: str) -> AlertRow:
    """Close an alert for a person's own reasons."""
    now = parts.clock.business_now()
    alert = dismissed(await _locked(session, parts, alert_id), at=now)
    if reason:
        alert = noted(alert, author=author, text=reason, at=now)
    publish(session, told_cleared(alert))
    return await _saved(session, parts, alert)


async def _locked(session: AsyncSession, parts: ScoringParts, alert_id: UUID) -> AlertRow:
    """The alert, its customer locked as scoring does, so that the two never overwrite each other."""
    connection = await raw_connection(session)
    found = await alerts.find(connection, alert_id)
    if found is None:
        raise AlertDoesNotExist(f"There is no alert {alert_id}.")
    await customers.lock(connection, [found.customer_id])
    again = await alerts.find(connection, alert_id)
    if again is None:
        raise AlertDoesNotExist(f"There is no alert {alert_id}.")
    alert = awake(again, parts.clock.business_now())
    if alert.state != again.state:
        publish(session, told(ChurnAlertUpdated, alert, currency=parts.settings.currency))
    return alert


async def _saved(session: AsyncSession, parts: ScoringParts, alert: AlertRow) -> AlertRow:
    connection = await raw_connection(session)
    await alerts.save(connection, [alert], at=parts.clock.system_now())
    stored = await alerts.find(connection, alert.id)
    assert stored is not None, "it was saved a moment ago"
    return stored
