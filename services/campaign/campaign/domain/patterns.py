"""Event types that an endpoint asks for, with `*` for any run of characters: `scoring.churn_alert_raised.*`."""

import re
from collections.abc import Iterable
from functools import lru_cache

_PATTERN = re.compile(r"[a-z0-9_.*]{1,100}")
# Each star multiplies the work of a match that fails.
_MOST_STARS = 3


def unmatched(pattern: str, event_types: Iterable[str]) -> str | None:
    """Why a pattern is of no use; None where it matches at least one of the event types there are."""
    if not _PATTERN.fullmatch(pattern) or pattern.count("*") > _MOST_STARS:
        return f"use lower-case letters, digits, dots, underscores and at most {_MOST_STARS} *"
    if not any(wants((pattern,), event_type) for event_type in event_types):
        return f"no event that is offered matches {pattern!r}"
    return None


def wants(patterns: Iterable[str], event_type: str) -> bool:
    """Whether any pattern matches."""
    return any(_compiled(pattern).fullmatch(event_type) for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")))
