"""How much a caller may ask: a token bucket per key."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller has left after a request; `wait_seconds` is 0 when the request may go on."""

    limit: int
    remaining: int
    reset_seconds: int
    wait_seconds: int = 0

    @property
    def granted(self) -> bool:
        """Whether this request may go on."""
        return self.wait_seconds == 0

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The RateLimit fields of draft-ietf-httpapi-ratelimit-headers-06; a refusal also says when to come again."""
        fields = [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset_seconds),
        ]
        return fields if self.granted else [*fields, (b"retry-after", b"%d" % self.wait_seconds)]


class TokenBucket:
    """Holds at most `burst` tokens and gains `per_second`; a request costs one."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self._tokens = tokens
        self._at = at

    def take(self, now: float, *, per_second: float, burst: int) -> Allowance:
        """Pay for one request, if there is a token to pay with."""
        self._tokens = min(float(burst), self._tokens + (now - self._at) * per_second)
        self._at = now
        wait_seconds = 0
        if self._tokens >= 1:
            self._tokens -= 1
        else:
            wait_seconds = max(1, math.ceil((1 - self._tokens) / per_second))
        return Allowance(burst, int(self._tokens), math.ceil((burst - self._tokens) / per_second), wait_seconds)


class RateLimiter:
    """One bucket per caller, in this process: with n gateways a caller has up to n times the limit."""

    def __init__(self, *, per_second: float, burst: int, monotonic: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = burst
        self._monotonic = monotonic
        self._buckets: dict[UUID, TokenBucket] = {}

    def take(self, caller: UUID) -> Allowance:
        """Count one request of a caller."""
        now = self._monotonic()
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._buckets[caller] = TokenBucket(self._burst, now)
        return bucket.take(now, per_second=self._per_second, burst=self._burst)
