"""The one form in which an e-mail address, a phone number, a country and a time zone are kept and compared."""

import re
from functools import cache, lru_cache
from zoneinfo import available_timezones

import phonenumbers
import pycountry
from email_validator import EmailNotValidError, ValidatedEmail, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat

from contracts.identity import stands_for_no_id

_PLAIN_LOCAL_PART = re.compile(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*", re.ASCII)
_LONGEST_LOCAL_PART = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def one_line(value: str) -> str:
    """Text without control characters: the database has no NUL, and ids with line breaks could be confused."""
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters")
    return value


def external_id(value: str) -> str:
    """An id in another system; what stands for "no id" is refused."""
    if stands_for_no_id(value):
        raise ValueError(f"{value!r} stands for no id at all and cannot identify a customer")
    return one_line(value)


def email(value: str) -> str:
    """A syntactically valid address in lower case. No question is asked of the DNS."""
    local, at, domain = value.rpartition("@")
    # A plain local part needs no closer look, and domains repeat: it makes imports several times faster.
    if at and len(local) <= _LONGEST_LOCAL_PART and _PLAIN_LOCAL_PART.fullmatch(local):
        return f"{local}@{_domain(domain)}".lower()
    # In practice no provider tells apart addresses by case, though RFC 5321 §2.4 lets them.
    return _valid(value).normalized.lower()


@lru_cache(maxsize=10_000)
def _domain(value: str) -> str:
    return _valid(f"x@{value}").domain


def _valid(value: str) -> ValidatedEmail:
    try:
        return validate_email(value, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        # Their message can quote the address, and ours is shown and logged.
        raise ValueError("is no e-mail address") from error


def phone(value: str, *, country: str | None) -> str:
    """E.164. A number without its country code is read as one of `country`."""
    try:
        number = phonenumbers.parse(one_line(value), country)
    except NumberParseException as error:
        named = country or value.lstrip().startswith("+")
        hint = "" if named else "; without a country it must begin with + and a country code"
        raise ValueError(f"is no phone number{hint}") from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError("is no phone number that can exist: wrong length for its country")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


@cache
def _countries() -> frozenset[str]:
    return frozenset(country.alpha_2 for country in pycountry.countries)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def country(value: str) -> str:
    """ISO 3166-1 alpha-2, in capitals."""
    if value.upper() not in _countries():
        raise ValueError("is no ISO 3166-1 alpha-2 country code such as GB")
    return value.upper()


def time_zone(value: str) -> str:
    """A name of the IANA time zone database."""
    if value not in _zones():
        raise ValueError("is no IANA time zone such as Europe/London")
    return value
