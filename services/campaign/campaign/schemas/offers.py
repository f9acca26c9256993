"""Offers over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from campaign.repository.query import Row
from campaign.schemas.money import Price
from chassis.api import StrictModel

OfferKey = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", examples=["save-10"])]


class OfferTerms(StrictModel):
    """What can be changed of an offer."""

    name: str = Field(min_length=1, max_length=200, examples=["10 % off"])
    kind: str = Field("discount", min_length=1, max_length=60)
    cost: Price = Field(description="What giving it to one customer costs")
    save_rate: float | None = Field(
        None, ge=0, le=1, description="Share of customers about to leave whom it keeps; by default the alert policy's"
    )
    active: bool = True


class NewOffer(OfferTerms):
    """An offer to be made."""

    key: OfferKey


class OfferView(NewOffer):
    """An offer."""

    id: UUID
    version: int
    created_at: datetime
    updated_at: datetime


def offer_view(row: Row) -> OfferView:
    """An offer as it is shown."""
    fields = {name: row[name] for name in OfferView.model_fields if name != "cost"}
    return OfferView(**fields, cost=Price(amount=row["cost"], currency=row["currency"]))
