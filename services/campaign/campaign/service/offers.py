"""Offers: made, changed, retired; each change is told with the whole new state."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.errors import InvalidOffer, OfferExists
from campaign.parts import CampaignParts, new_id
from campaign.repository import offers as offer_rows
from campaign.repository.query import Row
from chassis.errors import FieldError
from chassis.outbox import publish
from contracts.campaign import OfferChanged
from contracts.event import Money


async def add_offer(session: AsyncSession, terms: dict[str, Any], parts: CampaignParts) -> Row:
    """Make an offer. Raises OfferExists, InvalidOffer."""
    row = _row(terms, parts) | {"id": new_id()}
    added = await offer_rows.add_offer_if_new(session, row)
    if added is None:
        raise OfferExists(f"The key {terms['key']!r} belongs to another offer.")
    publish(session, _event(added))
    return added


async def change_offer(session: AsyncSession, terms: dict[str, Any], parts: CampaignParts) -> Row:
    """Change an offer that the caller has locked. Raises InvalidOffer."""
    saved = await offer_rows.save_offer(session, _row(terms, parts))
    publish(session, _event(saved))
    return saved


def _row(terms: dict[str, Any], parts: CampaignParts) -> dict[str, Any]:
    cost = terms["cost"]
    if not parts.exchange.knows(cost["currency"]):
        reason = f"there is no rate from {cost['currency']} to {parts.settings.currency}; set STAVE_FX_RATES"
        raise InvalidOffer("The cost is in an unknown currency.", errors=[FieldError("/cost/currency", reason)])
    flat = {name: value for name, value in terms.items() if name != "cost"}
    return flat | {"cost": cost["amount"], "currency": cost["currency"], "at": parts.clock.system_now()}


def _event(row: Row) -> OfferChanged:
    return OfferChanged(
        key=row["key"], name=row["name"], kind=row["kind"], cost=Money(amount=row["cost"], currency=row["currency"]),
        save_rate=row["save_rate"], active=row["active"], version=row["version"],
    )  # fmt: skip
