"""When to try a delivery again, and what an answer means (Standard Webhooks, "Deliverability and reliability")."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

Verdict = Literal["succeeded", "retry", "gone", "refused"]

_JITTER = 0.2
_LONGEST_RETRY_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a delivery. `status` is the HTTP (or SMTP) status, None where there was no answer.

    `permanent` says that the error will not pass by itself, `retry_after` is the header as received.
    """

    at: datetime
    duration_ms: int
    status: int | None = None
    error: str | None = None
    response: str | None = None
    retry_after: str | None = None
    permanent: bool = False


def judge(attempt: Attempt) -> Verdict:
    """Only 2xx is success; 410 Gone asks never to be called again; everything else may pass."""
    if attempt.permanent:
        return "refused"
    if attempt.error is None and attempt.status is not None and 200 <= attempt.status < 300:
        return "succeeded"
    return "gone" if attempt.status == 410 else "retry"


def next_attempt_at(
    schedule: Sequence[timedelta], attempt: Attempt, *, attempt_count: int, source: random.Random
) -> datetime | None:
    """When to try again after `attempt_count` attempts; None when the schedule is exhausted.

    The delays of the schedule lie between attempts. A Retry-After lengthens a delay, never shortens it, and is
    believed up to a day.
    """
    if attempt_count >= len(schedule):
        return None
    delay = schedule[attempt_count] * source.uniform(1 - _JITTER, 1 + _JITTER)
    asked = min(_retry_after(attempt), _LONGEST_RETRY_AFTER)
    return attempt.at + max(delay, asked)


def _retry_after(attempt: Attempt) -> timedelta:
    """RFC 9110 §10.2.3: seconds or an HTTP date; what is neither is ignored."""
    value = (attempt.retry_after or "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value), 10**6)) if len(value) < 10 else _LONGEST_RETRY_AFTER
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return timedelta(0)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) - attempt.at
