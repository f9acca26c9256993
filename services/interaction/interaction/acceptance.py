"""From bytes to an accepted entry, or to the problem that tells what is wrong: the checks no type can express."""

import hashlib
from datetime import UTC
from decimal import Decimal
from typing import Any

import msgspec

from chassis.errors import FieldError
from chassis.trace import TraceContext
from contracts.identity import stands_for_no_id
from interaction.bodies import MAX_BODY_BYTES, InteractionBody, LineBody, decoder, encoder, explain
from interaction.domain.margin import assess_margin, in_steps
from interaction.domain.touches import OWN_SOURCE
from interaction.entries import Entry, facts_of
from interaction.errors import InteractionTooLarge, MalformedInteraction
from interaction.ids import new_id
from interaction.refusals import EARLIEST, LIMIT, NOTHING, Rules, complete, faults, refusal, write_out

# What a column of the log can hold: numeric(20, 6).
_STORABLE = Decimal(10) ** 13
_NO_LINES: list[LineBody] = []
_NUL = b"\\u0000"


def accept(raw: bytes, rules: Rules, *, trace: TraceContext) -> Entry:
    """Decode and check one body, and work out what it is worth. Raises a Problem that points at what is wrong."""
    return appraise(validate(raw, rules), rules, trace=trace)


def validate(raw: bytes, rules: Rules) -> InteractionBody:
    """Decode and check one body. Raises a Problem that points at what is wrong."""
    if len(raw) > MAX_BODY_BYTES:
        raise InteractionTooLarge(f"It has {len(raw):,} bytes; at most {MAX_BODY_BYTES:,} are accepted.")
    body = _decode(raw)
    try:
        acceptable = body.source != OWN_SOURCE and _is_acceptable(body, rules)
    except ArithmeticError:
        acceptable = False
    if not acceptable and (found := faults(body, rules)):
        raise refusal(found)
    return body


def appraise(body: InteractionBody, rules: Rules, *, trace: TraceContext) -> Entry:
    """The entry of an acceptable body, with what it is worth. Raises InvalidInteraction for numbers beyond measure."""
    lines_json = encoder.encode(body.lines)
    head_json = _head_of(body)
    if not (_is_plain(lines_json) and _is_plain(head_json)):
        write_out(body)
        lines_json = encoder.encode(body.lines)
    occurred_at = body.occurred_at
    if occurred_at.tzinfo is not UTC:
        occurred_at = occurred_at.astimezone(UTC)
    digest = _digest(head_json + lines_json)
    entry = Entry(new_id(), body, digest, occurred_at, occurred_at if body.backfill else rules.now, trace)
    try:
        _weigh(entry, body, rules)
        measurable = _is_storable(entry.margin) and _is_storable(entry.discount) and _is_storable(entry.worth)
    except ArithmeticError:
        measurable = False
    if not measurable:
        raise refusal([FieldError("/lines", "The numbers are too large to work out a margin.")])
    if body.lines:
        entry.lines_json = lines_json
    if body.properties:
        entry.properties_json = encoder.encode(body.properties)
        entry.facts = facts_of(body.properties)
    return entry


def _head_of(body: InteractionBody) -> bytes:
    """A body in JSON without its lines, which are most of it and are encoded on their own."""
    lines, body.lines = body.lines, _NO_LINES
    try:
        return encoder.encode(body)
    finally:
        body.lines = lines


def _is_plain(encoded: bytes) -> bool:
    """Whether no number has an exponent, or is none; texts may look as if one had."""
    if b"E" in encoded and (b"E+" in encoded or b"E-" in encoded):
        return False
    return not (b"N" in encoded and b"NaN" in encoded) and not (b"I" in encoded and b"Infinity" in encoded)


def _is_storable(value: Decimal | None) -> bool:
    return value is None or -_STORABLE < value < _STORABLE


def _digest(encoded: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "big", signed=True)


def _decode(raw: bytes) -> InteractionBody:
    try:
        body = decoder.decode(raw)
    except msgspec.ValidationError as error:
        _require_json(raw)
        raise refusal([FieldError(*explain(error))]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedInteraction(str(error)) from error
    except RecursionError as error:
        raise refusal([FieldError("/properties", "It is nested too deeply.")]) from error
    if _NUL in raw and _holds_nul(msgspec.to_builtins(body)):
        raise refusal([FieldError("", "A text holds the character U+0000, which cannot be stored.")])
    return body


def _require_json(raw: bytes) -> None:
    """A wrong field can stand before the place where the text stops being JSON."""
    try:
        msgspec.json.decode(raw, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedInteraction(str(error)) from error


def _holds_nul(part: Any) -> bool:
    if isinstance(part, str):
        return "\0" in part
    if isinstance(part, dict):
        return any("\0" in name or _holds_nul(one) for name, one in part.items())
    return isinstance(part, list) and any(_holds_nul(one) for one in part)


def _is_acceptable(body: InteractionBody, rules: Rules) -> bool:
    """The quick answer for the many that are; `faults` says what is wrong with the few that are not."""
    customer = body.customer
    if not (body.source.isprintable() and body.source_id.isprintable()):
        return False
    if customer.id is None:
        if customer.source is None or customer.external_id is None:
            return False
        if not (customer.source.isprintable() and customer.external_id.isprintable()):
            return False
        if stands_for_no_id(customer.external_id):
            return False
    elif customer.source is not None or customer.external_id is not None:
        return False
    money = body.amount
    if money is not None and (not NOTHING <= money.amount <= LIMIT or money.currency not in rules.rates):
        return False
    if body.cost_to_serve is not None and not NOTHING <= body.cost_to_serve <= LIMIT:
        return False
    for line in body.lines:
        if line.amount is None and not complete(line):
            return False
        if not -LIMIT <= line.amount <= LIMIT or not -LIMIT <= line.quantity <= LIMIT:  # type: ignore[operator]
            return False
    return EARLIEST <= body.occurred_at <= rules.latest


def _weigh(entry: Entry, body: InteractionBody, rules: Rules) -> None:
    """Work out margin, discount and worth, all in the reporting currency."""
    money, lines = body.amount, body.lines
    amount = None if money is None else money.amount
    margin, entry.margin_assumed = assess_margin(
        body.kind, amount, lines=lines, rate=rules.margin_rate, cost_to_serve=body.cost_to_serve
    )
    discount = None
    if lines:
        discount = NOTHING
        for line in lines:
            if line.discount:
                discount += line.discount
    if money is None or money.currency == rules.currency:
        entry.worth, entry.margin, entry.discount = amount, margin, discount
        return
    rate = rules.rates[money.currency]
    entry.worth = in_steps(money.amount * rate)
    entry.margin = None if margin is None else in_steps(margin * rate)
    entry.discount = None if discount is None else in_steps(discount * rate)
