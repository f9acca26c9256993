"""What makes a decoded body unacceptable, field by field, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unicodedata import category

from chassis.errors import FieldError
from contracts.identity import stands_for_no_id
from interaction.bodies import InteractionBody, LineBody
from interaction.domain.margin import in_steps
from interaction.domain.touches import OWN_SOURCE
from interaction.errors import InvalidInteraction

CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LIMIT = Decimal(10) ** 12
NOTHING = Decimal(0)
_NO_ID = "It stands for no id at all and cannot identify a customer."
_TOO_LARGE = "It must be a number between -10^12 and 10^12."


@dataclass(frozen=True, slots=True)
class Rules:
    """What acceptance depends on beside the body: settings and the present moment."""

    currency: str
    rates: Mapping[str, Decimal]
    margin_rate: Decimal
    now: datetime
    # The last moment an interaction may have happened at: clocks of senders run ahead a little.
    latest: datetime


def refusal(errors: list[FieldError]) -> InvalidInteraction:
    """The problem that tells of faults."""
    return InvalidInteraction(" ".join(f"{one.pointer or 'body'}: {one.detail}" for one in errors), errors=errors)


def faults(body: InteractionBody, rules: Rules) -> list[FieldError]:
    """Everything that is wrong with a body."""
    found: list[FieldError] = []
    if body.source == OWN_SOURCE:
        found.append(FieldError("/source", f"`{OWN_SOURCE}` is reserved for what Stave itself does."))
    found += [
        FieldError(pointer, "It holds a control character.")
        for pointer, text in _ids_of(body).items()
        if text is not None and any(category(character) == "Cc" for character in text)
    ]
    named = body.customer.source is not None, body.customer.external_id is not None
    if body.customer.id is None and not all(named):
        found.append(FieldError("/customer", "Name the customer by `id`, or by `source` and `external_id`."))
    if body.customer.id is not None and any(named):
        found.append(FieldError("/customer", "Give either `id`, or `source` and `external_id`, not both."))
    if body.customer.external_id is not None and stands_for_no_id(body.customer.external_id):
        found.append(FieldError("/customer/external_id", _NO_ID))
    if body.occurred_at > rules.latest:
        found.append(FieldError("/occurred_at", "It lies in the future."))
    if body.occurred_at < EARLIEST:
        found.append(FieldError("/occurred_at", "It lies before 1900."))
    if body.amount is not None:
        if not _is_within(body.amount.amount, NOTHING):
            found.append(FieldError("/amount/amount", "It must be between 0 and 10^12; the sign comes from `kind`."))
        if body.amount.currency not in rules.rates:
            found.append(FieldError("/amount/currency", _why_not(body.amount.currency, rules)))
    if body.cost_to_serve is not None and not _is_within(body.cost_to_serve, NOTHING):
        found.append(FieldError("/cost_to_serve", "It must be between 0 and 10^12."))
    for number, line in enumerate(body.lines):
        found += _line_faults(line, f"/lines/{number}")
    return found


def _ids_of(body: InteractionBody) -> dict[str, str | None]:
    return {
        "/source": body.source, "/source_id": body.source_id, "/customer/source": body.customer.source,
        "/customer/external_id": body.customer.external_id,
    }  # fmt: skip


def _is_within(value: Decimal, least: Decimal) -> bool:
    return value.is_finite() and least <= value <= LIMIT


def _why_not(currency: str, rules: Rules) -> str:
    import pycountry

    if pycountry.currencies.get(alpha_3=currency) is None:
        return "It is no ISO 4217 currency code such as EUR."
    return f"There is no rate for {currency} to {rules.currency}; add one to STAVE_FX_RATES."


def _line_faults(line: LineBody, pointer: str) -> list[FieldError]:
    numbers = {name: getattr(line, name) for name in ("quantity", "unit_price", "amount", "discount", "unit_cost")}
    found = [
        FieldError(f"{pointer}/{name}", _TOO_LARGE)
        for name, value in numbers.items()
        if value is not None and not _is_within(value, -LIMIT)
    ]
    if not found and line.amount is None and not complete(line):
        found.append(FieldError(f"{pointer}/amount", "Give `amount`, or a `unit_price` that leads to one."))
    return found


def complete(line: LineBody) -> bool:
    """Fill in the amount that follows from quantity, unit price and discount; whether it could be."""
    if line.unit_price is None:
        return False
    try:
        line.amount = in_steps(line.unit_price * line.quantity - (line.discount or NOTHING))
    except ArithmeticError:
        return False
    return True


def write_out(body: InteractionBody) -> None:
    """Bring every number to the plain form with at most six decimals, if it has one.

    A decimal with an exponent can be short in JSON and a gigabyte long when written out. Raises InvalidInteraction.
    """
    parts: list[tuple[str, Any]] = [("", body), *((f"/lines/{n}", line) for n, line in enumerate(body.lines))]
    if body.amount is not None:
        parts.append(("/amount", body.amount))
    for pointer, part in parts:
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if isinstance(value, Decimal):
                if not _is_within(value, -LIMIT):
                    raise refusal([FieldError(f"{pointer}/{name}", _TOO_LARGE)])
                setattr(part, name, in_steps(value))
