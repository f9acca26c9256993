"""Playbooks: checked against what they refer to, so that one that could never act is refused when it is written."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.channels.templates import fault_of
from campaign.errors import EndpointDoesNotExist, InvalidPlaybook
from campaign.parts import CampaignParts, new_id
from campaign.repository import offers as offer_rows
from campaign.repository import playbooks as playbook_rows
from campaign.repository import webhook_endpoints as endpoint_rows
from campaign.repository.query import Row
from campaign.schemas.playbooks import ActionTerms, PlaybookTerms, rule_of
from chassis.errors import FieldError


async def add_playbook(session: AsyncSession, terms: PlaybookTerms, parts: CampaignParts) -> Row:
    """Add a playbook. Raises InvalidPlaybook."""
    await _check(session, terms, parts)
    return await playbook_rows.add_playbook(session, _row(terms, new_id(), parts))


async def change_playbook(session: AsyncSession, playbook_id: UUID, terms: PlaybookTerms, parts: CampaignParts) -> Row:
    """Change a playbook that the caller has locked. Raises InvalidPlaybook."""
    await _check(session, terms, parts)
    return await playbook_rows.save_playbook(session, _row(terms, playbook_id, parts))


def _row(terms: PlaybookTerms, playbook_id: UUID, parts: CampaignParts) -> dict[str, object]:
    return {
        "id": playbook_id, "name": terms.name, "priority": terms.priority, "active": terms.active,
        "rule": rule_of(terms), "at": parts.clock.system_now(),
    }  # fmt: skip


async def _check(session: AsyncSession, terms: PlaybookTerms, parts: CampaignParts) -> None:
    errors = [*_faults_of_limits(terms, parts), *_faults_of_texts(terms.action)]
    offer = terms.action.offer
    if offer is not None and not await offer_rows.list_offers_by_key(session, [offer]):
        errors.append(FieldError("/action/offer", f"there is no offer with the key {offer!r}"))
    errors += await _faults_of_endpoint(session, terms.action)
    if errors:
        raise InvalidPlaybook("The playbook could not act as it is.", errors=errors)


def _faults_of_limits(terms: PlaybookTerms, parts: CampaignParts) -> list[FieldError]:
    faults = []
    if terms.quiet_hours and terms.quiet_hours.from_ == terms.quiet_hours.to:
        faults.append(FieldError("/quiet_hours/to", "must differ from `from`"))
    if terms.budget and not parts.exchange.knows(terms.budget.currency):
        reason = f"there is no rate from {terms.budget.currency} to {parts.settings.currency}; set STAVE_FX_RATES"
        faults.append(FieldError("/budget/currency", reason))
    return faults


def _faults_of_texts(action: ActionTerms) -> list[FieldError]:
    faults = []
    for name in ("subject", "body"):
        text = getattr(action, name)
        if text is not None and action.channel == "email" and (fault := fault_of(text)):
            faults.append(FieldError(f"/action/{name}", fault))
    return faults


async def _faults_of_endpoint(session: AsyncSession, action: ActionTerms) -> list[FieldError]:
    if action.endpoint_id is None:
        return []
    if action.channel != "webhook":
        return [FieldError("/action/endpoint_id", "is only for the channel webhook")]
    try:
        await endpoint_rows.get_endpoint(session, action.endpoint_id, owner=None)
    except EndpointDoesNotExist:
        return [FieldError("/action/endpoint_id", "there is no such endpoint")]
    return []
