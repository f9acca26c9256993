"""A lane per endpoint (or channel): its own queue, its own limit, its own breaker, so that none delays another."""

import math
from collections import deque
from dataclasses import dataclass, field

from campaign.repository.query import Row

_QUEUE_PER_SLOT = 2


@dataclass
class Breaker:
    """After `failures` in a row nothing is sent for `pause_seconds`; then one attempt probes. Times are the loop's."""

    failures: int
    pause_seconds: float
    failed: int = 0
    open_until: float = 0.0

    @property
    def tripped(self) -> bool:
        """Whether nothing but a probe may be sent."""
        return self.failed >= self.failures

    def is_open(self, now: float) -> bool:
        """Whether it is too early even for a probe."""
        return self.tripped and now < self.open_until

    def record(self, *, succeeded: bool, now: float) -> None:
        """Learn from an attempt."""
        self.failed = 0 if succeeded else self.failed + 1
        if self.tripped:
            self.open_until = now + self.pause_seconds


@dataclass
class Pace:
    """At most `per_second` starts a second, with a second's worth in reserve; 0 is no limit."""

    per_second: int = 0
    left: float = -1.0
    looked_at: float = 0.0

    def room(self, now: float) -> int:
        """How many may start now."""
        if not self.per_second:
            return 10**9
        if self.left < 0:
            self.left = self.per_second
        else:
            self.left = min(self.per_second, self.left + (now - self.looked_at) * self.per_second)
        self.looked_at = now
        return int(self.left)

    def take(self) -> None:
        """One has started."""
        self.left -= 1 if self.per_second else 0


@dataclass
class Lane:
    """What is claimed for one endpoint; `may_have_more` says that the last claim filled what room there was."""

    limit: int
    breaker: Breaker
    pace: Pace = field(default_factory=Pace)
    in_flight: int = 0
    queue: deque[Row] = field(default_factory=deque)
    may_have_more: bool = False

    def room(self, now: float) -> int:
        """How many deliveries to claim: enough to stay busy until the next look, few enough to send within a lease."""
        held = self.in_flight + len(self.queue)
        if self.breaker.is_open(now):
            return 0
        if self.breaker.tripped:
            return 0 if held else 1
        return max(0, min(self.limit * _QUEUE_PER_SLOT - held, self.pace.room(now) - len(self.queue)))

    def seconds_to_room(self, now: float) -> float:
        """How long to wait for a breaker or a pace; for ever where neither holds anything up."""
        if self.breaker.is_open(now):
            return self.breaker.open_until - now
        return 1.0 if self.pace.per_second and self.pace.left < 1 else math.inf

    def next(self, now: float) -> Row | None:
        """The next delivery that may start now."""
        if not self.queue or self.in_flight >= self.limit or self.breaker.is_open(now):
            return None
        if self.breaker.tripped and self.in_flight:
            return None
        if not self.pace.room(now):
            return None
        self.pace.take()
        self.in_flight += 1
        return self.queue.popleft()

    def finish(self, *, succeeded: bool, now: float) -> list[Row]:
        """An attempt is over; returns what was claimed and had better wait, because the breaker has opened."""
        self.in_flight -= 1
        self.breaker.record(succeeded=succeeded, now=now)
        if not self.breaker.is_open(now):
            return []
        stranded = list(self.queue)
        self.queue.clear()
        return stranded
