"""What is news and what is history catching up: only news raises an alert at once.

Beliefs that jump because a past was imported, a model was promoted or the policy changed say nothing new of the
customer; their alerts are ranked and opened a few a day, so that nobody is buried under them.
"""

from dataclasses import dataclass
from enum import StrEnum

# A customer whose alert waits for its turn jumps the queue when something that happened moves the probability so far.
JUMP = 0.02


class Cause(StrEnum):
    """Why a customer is scored."""

    LIVE = "live"
    TIME = "time"
    HISTORY = "history"
    TURN = "turn"


@dataclass(frozen=True, slots=True)
class Before:
    """What was believed before."""

    probability: float
    model: str
    waiting: bool
    # Nothing was known of the customer then but that there is one.
    prior: bool = False


def is_news(cause: Cause, before: Before | None, *, probability: float, model: str) -> bool:
    """Whether a belief that calls for an alert does so because of something that just happened, or did not happen."""
    if cause is Cause.LIVE and (before is None or before.prior):
        # Somebody who has just arrived, and whose first deed calls for an alert, has no history to catch up with.
        return True
    if before is None or before.model != model:
        return False
    if cause is Cause.LIVE:
        return not before.waiting or probability >= before.probability + JUMP
    return cause is Cause.TIME and not before.waiting
