"""What a demonstration needs of a data set: customers, a past, live days to replay, and the hidden outcome."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

Body = dict[str, Any]
# Shown while it runs: what is done, how much of it, of how much (None: unknown).
ShowProgress = Callable[[str, int, int | None], None]


class UnusableData(Exception):
    """The data cannot be demonstrated with; the message says why and what to do."""


@dataclass
class LiveDay:
    """What arrives on one day of business time: new customers, then what they did."""

    day: date
    interactions: list[Body]
    customers: list[Body] = field(default_factory=list)

    def parts(self) -> Iterator[tuple[datetime, list[Body]]]:
        """The day in parts: until when business time has come, and what happened by then.

        Business time does not jump from midnight to midnight: what was held back in quiet hours goes out by day.
        """
        rest = self.interactions
        for end in (time(9), time(20, 30), time(23, 59, 59)):
            until = datetime.combine(self.day, end, UTC)
            yield until, [body for body in rest if body["occurred_at"] <= until.isoformat()]
            rest = [body for body in rest if body["occurred_at"] > until.isoformat()]


@dataclass
class History:
    """A file for `stave import interactions`, and its options."""

    path: Path
    mapping: dict[str, str]
    constants: dict[str, str] = field(default_factory=dict)


@dataclass
class Dataset:
    """A data set made ready. `left` holds, by external id, whether each judged customer really left."""

    key: str
    title: str
    source: str
    source_name: str
    currency: str
    contractual: bool
    cut: date
    horizon_days: int
    customers: list[Body]
    histories: list[History]
    days: list[LiveDay]
    left: dict[str, bool]
    notes: list[str]
    past_interactions: list[Body] = field(default_factory=list)

    @property
    def cut_at(self) -> datetime:
        """The moment that divides history from live traffic."""
        return datetime.combine(self.cut, time(0), UTC)


def share_of(*words: str) -> float:
    """A number in [0, 1) that depends on the words alone: invented things are the same in every run."""
    digest = hashlib.sha256("/".join(words).encode()).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)


# Real shops know who consented; the public data sets do not say, so the demonstration invents it.
CONSENT_SHARES = {"email": 0.7, "phone": 0.6, "partner": 0.9}
CONSENT_NOTE = (
    "Consents are invented: by a hash of the customer's id, "
    + ", ".join(f"{share:.0%} agree to {channel}" for channel, share in CONSENT_SHARES.items())
    + "."
)


def consents_of(source: str, external_id: str, at: datetime) -> list[Body]:
    """Invented consents of a customer."""
    return [
        {
            "channel": channel,
            "purpose": "marketing",
            "state": "granted" if share_of("consent", channel, source, external_id) < share else "denied",
            "at": at.isoformat(),
            "proof": "invented for the demonstration",
        }
        for channel, share in CONSENT_SHARES.items()
    ]


def days_between(first: date, count: int) -> Iterator[date]:
    """`count` days from `first` on."""
    return (first + timedelta(days=n) for n in range(count))
