from decimal import Decimal
from typing import NamedTuple

import pytest

from interaction.domain.margin import Margin, assess_margin

RATE = Decimal("0.25")


class Line(NamedTuple):
    quantity: Decimal
    amount: Decimal | None
    unit_cost: Decimal | None = None


def margin(kind: str, amount: int | None, *lines: Line, cost: str | None = None) -> Margin:
    return assess_margin(
        kind,
        None if amount is None else Decimal(amount),
        lines=lines,
        rate=RATE,
        cost_to_serve=None if cost is None else Decimal(cost),
    )


def test_without_costs_the_margin_is_the_rate_and_says_so() -> None:
    assert margin("purchase", 100) == Margin(Decimal(25), True)


def test_known_costs_of_every_line_leave_nothing_to_assume() -> None:
    line = Line(Decimal(2), Decimal(100), Decimal(30))
    assert margin("purchase", 100, line, cost="5") == Margin(Decimal(35), False)


def test_lines_without_a_cost_earn_the_rate_beside_those_with_one() -> None:
    lines = Line(Decimal(1), Decimal(60), Decimal(50)), Line(Decimal(1), Decimal(40))
    assert margin("purchase", 100, *lines) == Margin(Decimal(20), True)


def test_a_return_takes_the_margin_back_and_still_costs() -> None:
    assert margin("return", 100, cost="5") == Margin(Decimal(-30), True)


@pytest.mark.parametrize("kind", ["payment", "invoice", "complaint", "contact"])
def test_what_earns_nothing_only_costs(kind: str) -> None:
    assert margin(kind, 100, cost="5") == Margin(Decimal(-5), False)
    assert margin(kind, 100) == Margin(None, False)


def test_an_amount_of_zero_is_an_amount() -> None:
    assert margin("purchase", 0) == Margin(Decimal(0), True)
