"""Consent per channel and purpose: the statement with the latest time counts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

ConsentState = Literal["granted", "denied", "revoked", "unknown"]
# Clocks of two systems differ; beyond this a time is a mistake that would outlive every later withdrawal.
_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a customer said about one channel and purpose, and the proof of it; without a time, it is said now."""

    channel: str
    purpose: str
    state: ConsentState
    source: str
    at: datetime | None = None
    proof: str | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """The state in force."""

    state: ConsentState
    at: datetime


def is_from_the_future(at: datetime | None, *, now: datetime) -> bool:
    """Whether a statement claims to have been made later than now."""
    return at is not None and at > now + _CLOCK_SKEW


def time_of(statement: Statement, in_force: Consent | None, *, now: datetime) -> datetime:
    """When a statement counts from. One made now is never older than what is in force."""
    if statement.at is not None:
        return statement.at
    return now if in_force is None else max(now, in_force.at)
