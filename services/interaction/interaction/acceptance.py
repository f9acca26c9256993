"""From bytes to an accepted entry, or to the problem that tells what is wrong: the checks no type can express."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import msgspec
from chassis.errors import FieldError, Problem
from chassis.trace import TraceContext
from uuid_utils.compat import uuid7

from interaction.bodies import (
    MAX_BODY_BYTES,
    CustomerReference,
    InteractionBody,
    LineBody,
    MoneyBody,
    decoder,
    encoder,
    explain,
)
from interaction.domain.margin import assess_margin, in_steps
from interaction.domain.touches import OWN_SOURCE
from interaction.entries import Entry, facts_of
from interaction.errors import InteractionTooLarge, InvalidInteraction, MalformedInteraction

CLOCK_SKEW = timedelta(minutes=5)
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LIMIT = Decimal(10) ** 12
_NOTHING = Decimal(0)
# A decimal with an exponent could be short in JSON and a gigabyte long when written out.
_EXPONENT = re.compile(rb"\d[eE][-+\d]")
_NUL = b"\\u0000"


@dataclass(frozen=True, slots=True)
class Rules:
    """What acceptance depends on beside the body: settings and the present moment."""

    currency: str
    rates: Mapping[str, Decimal]
    margin_rate: Decimal
    now: datetime

    @property
    def latest(self) -> datetime:
        """The last moment an interaction may have happened at: clocks of senders run ahead a little."""
        return self.now + CLOCK_SKEW


def accept(raw: bytes, rules: Rules, *, trace: TraceContext) -> Entry:
    """Decode and check one body. Raises a Problem that points at what is wrong."""
    if len(raw) > MAX_BODY_BYTES:
        raise InteractionTooLarge(f"It has {len(raw):,} bytes; at most {MAX_BODY_BYTES:,} are accepted.")
    body = _decode(raw)
    if body.source == OWN_SOURCE:
        raise _refused([FieldError("/source", f"`{OWN_SOURCE}` is reserved for what Stave itself does.")])
    if _EXPONENT.search(raw):
        _write_out(body)
    return enter(body, rules, trace=trace)


def enter(body: InteractionBody, rules: Rules, *, trace: TraceContext) -> Entry:
    """Check a decoded body and work out what it is worth. Raises InvalidInteraction."""
    try:
        found = _faults(body, rules)
    except InvalidOperation:
        found = [FieldError("", "A number is not finite.")]
    if found:
        raise _refused(found)
    digest = hashlib.blake2b(encoder.encode(body), digest_size=8).digest()
    occurred_at = body.occurred_at.astimezone(UTC)
    entry = Entry(
        uuid7(), body, int.from_bytes(digest, "big", signed=True), occurred_at,
        occurred_at if body.backfill else rules.now, trace,
    )  # fmt: skip
    _appraise(entry, body, rules)
    if body.properties:
        entry.properties_json = encoder.encode(body.properties)
        entry.facts = facts_of(body.properties)
    return entry


def _decode(raw: bytes) -> InteractionBody:
    try:
        body = decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _refused([FieldError(*explain(error))]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedInteraction(str(error)) from error
    except RecursionError as error:
        raise _refused([FieldError("/properties", "It is nested too deeply.")]) from error
    if _NUL in raw and _holds_nul(msgspec.to_builtins(body)):
        raise _refused([FieldError("", "A text holds the character U+0000, which cannot be stored.")])
    return body


def _refused(errors: list[FieldError]) -> Problem:
    return InvalidInteraction(" ".join(f"{one.pointer or 'body'}: {one.detail}" for one in errors), errors=errors)


def _holds_nul(part: Any) -> bool:
    if isinstance(part, str):
        return "\0" in part
    if isinstance(part, dict):
        return any("\0" in name or _holds_nul(one) for name, one in part.items())
    return isinstance(part, list) and any(_holds_nul(one) for one in part)


def _faults(body: InteractionBody, rules: Rules) -> list[FieldError]:
    found: list[FieldError] = []
    customer = body.customer
    if customer.id is None:
        if customer.source is None or customer.external_id is None:
            found.append(FieldError("/customer", "Name the customer by `id`, or by `source` and `external_id`."))
    elif customer.source is not None or customer.external_id is not None:
        found.append(FieldError("/customer", "Give either `id`, or `source` and `external_id`, not both."))
    if not _EARLIEST <= body.occurred_at <= rules.latest:
        later = body.occurred_at > _EARLIEST
        found.append(FieldError("/occurred_at", "It lies in the future." if later else "It lies before 1900."))
    if body.amount is not None:
        found += _money_faults(body.amount, rules)
    if body.cost_to_serve is not None and not _NOTHING <= body.cost_to_serve <= _LIMIT:
        found.append(FieldError("/cost_to_serve", "It must be between 0 and 10^12."))
    for number, line in enumerate(body.lines):
        found += _line_faults(line, number)
    return found


def _money_faults(money: MoneyBody, rules: Rules) -> list[FieldError]:
    found = []
    if not _NOTHING <= money.amount <= _LIMIT:
        found.append(FieldError("/amount/amount", "It must be between 0 and 10^12; the sign comes from `kind`."))
    if money.currency not in rules.rates:
        found.append(FieldError("/amount/currency", _why_not(money.currency, rules)))
    return found


def _why_not(currency: str, rules: Rules) -> str:
    import pycountry

    if pycountry.currencies.get(alpha_3=currency) is None:
        return "It is no ISO 4217 currency code such as EUR."
    return f"There is no rate for {currency} to {rules.currency}; add one to STAVE_FX_RATES."


def _line_faults(line: LineBody, number: int) -> list[FieldError]:
    """Check a line, after filling in its amount where it follows from the rest."""
    if line.amount is None:
        if line.unit_price is None:
            return [FieldError(f"/lines/{number}/amount", "Give `amount` or `unit_price`.")]
        line.amount = in_steps(line.unit_price * line.quantity - (line.discount or _NOTHING))
    if not -_LIMIT <= line.amount <= _LIMIT:
        return [FieldError(f"/lines/{number}/amount", "It must be between -10^12 and 10^12.")]
    if not -_LIMIT <= line.quantity <= _LIMIT:
        return [FieldError(f"/lines/{number}/quantity", "It must be between -10^12 and 10^12.")]
    for name in ("unit_price", "discount", "unit_cost"):
        value = getattr(line, name)
        if value is not None and not -_LIMIT <= value <= _LIMIT:
            return [FieldError(f"/lines/{number}/{name}", "It must be between -10^12 and 10^12.")]
    return []


def _appraise(entry: Entry, body: InteractionBody, rules: Rules) -> None:
    """Work out margin, discount and worth, all in the reporting currency."""
    money = body.amount
    rate = None if money is None or money.currency == rules.currency else rules.rates[money.currency]
    amount = None if money is None else money.amount
    margin, entry.margin_assumed = assess_margin(
        body.kind, amount, lines=body.lines, rate=rules.margin_rate, cost_to_serve=body.cost_to_serve
    )
    discount = None
    if body.lines:
        entry.lines_json = encoder.encode(body.lines)
        discount = sum([line.discount for line in body.lines if line.discount is not None], _NOTHING)
    if rate is None:
        entry.worth, entry.margin, entry.discount = amount, margin, discount
    else:
        entry.worth, entry.margin, entry.discount = (
            None if one is None else in_steps(one * rate) for one in (amount, margin, discount)
        )


def _write_out(body: InteractionBody) -> None:
    """Bring every number to the plain form with at most six decimals."""
    parts: list[Any] = [body, *body.lines]
    if body.amount is not None:
        parts.append(body.amount)
    for part in parts:
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if isinstance(value, Decimal):
                setattr(part, name, _plain(value))


def _plain(value: Decimal) -> Decimal:
    # Beyond the limit it is refused later, by the checks that know its name.
    return in_steps(value) if value.is_finite() and abs(value) <= _LIMIT else _LIMIT * 2


def own_body(customer_id: UUID, **fields: Any) -> InteractionBody:
    """The body of something Stave itself did to a customer."""
    return InteractionBody(
        source=OWN_SOURCE, customer=CustomerReference(id=customer_id), direction="outbound", **fields
    )  # fmt: skip
