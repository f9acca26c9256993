"""Contribution margin of one interaction: what was earned, less what it cost to serve."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple, Protocol

# Turnover counts once: an invoice or a payment settles what a purchase, a subscription or usage has earned.
SIGN_BY_KIND = {"purchase": 1, "subscription": 1, "usage": 1, "return": -1}
_NOTHING = Decimal(0)
_STEP = Decimal("0.000001")


class Line(Protocol):
    """The numbers of a line that matter for its margin."""

    quantity: Decimal
    amount: Decimal | None
    unit_cost: Decimal | None


class Margin(NamedTuple):
    """In the currency of the amount; negative for a return. `assumed`: the margin rate stood in for unknown costs."""

    amount: Decimal | None
    assumed: bool


def assess_margin(
    kind: str, amount: Decimal | None, *, lines: Iterable[Line], rate: Decimal, cost_to_serve: Decimal | None
) -> Margin:
    """The margin from the lines' unit costs where they are given, else the rate; less the cost to serve."""
    sign = SIGN_BY_KIND.get(kind)
    if sign is None or amount is None:
        return Margin(-cost_to_serve if cost_to_serve else None, False)
    goods = _NOTHING
    covered = _NOTHING
    complete = assumed = True
    for line in lines:
        if line.unit_cost is None:
            complete = False
            continue
        assumed = False
        goods += line.unit_cost * line.quantity
        covered += line.amount or _NOTHING
    if assumed:
        earned = amount * rate
    elif complete:
        earned = amount - goods
    else:
        assumed = True
        earned = covered - goods + (amount - covered) * rate
    return Margin(in_steps(sign * earned - (cost_to_serve or _NOTHING)), assumed)


def in_steps(amount: Decimal) -> Decimal:
    """Rounded to the six decimals that are stored; half to even."""
    return amount.quantize(_STEP)
