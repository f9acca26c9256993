"""Amounts in the one reporting currency: everything that is compared or summed is converted first."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


class UnknownRate(ValueError):
    """There is no rate to convert a currency with."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """`rates` says how much of the reporting currency one unit of another is worth."""

    currency: str
    rates: Mapping[str, Decimal]

    def knows(self, currency: str) -> bool:
        """Whether amounts in this currency can be converted."""
        return currency == self.currency or currency in self.rates

    def convert(self, amount: Decimal, currency: str) -> Decimal:
        """The amount in the reporting currency."""
        if currency == self.currency:
            return amount
        if currency not in self.rates:
            raise UnknownRate(f"there is no rate from {currency} to {self.currency}: set STAVE_FX_RATES")
        return amount * self.rates[currency]
