"""Amounts over HTTP."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from chassis.api import StrictModel
from contracts.event import Exact


class Price(StrictModel):
    """An exact amount, zero or more."""

    amount: Annotated[Exact, Field(ge=0, max_digits=18, decimal_places=4, examples=["3.00"])]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["GBP"])]


class Amount(StrictModel):
    """An exact amount of either sign."""

    amount: Exact
    currency: str


def amount_of(amount: Decimal, currency: str) -> Amount:
    """An amount as it is shown."""
    return Amount(amount=amount, currency=currency)
