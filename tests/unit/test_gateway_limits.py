"""The token bucket, on a clock that only moves when told."""

from uuid import uuid4

from gateway.limits import RateLimiter


class Stopwatch:
    """Monotonic time that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_burst_is_granted_and_then_refused() -> None:
    limiter, caller = RateLimiter(per_second=2, burst=3, monotonic=Stopwatch()), uuid4()
    assert [limiter.take(caller).granted for _ in range(4)] == [True, True, True, False]


def test_the_bucket_fills_again_with_time_but_never_above_the_burst() -> None:
    clock, caller = Stopwatch(), uuid4()
    limiter = RateLimiter(per_second=2, burst=3, monotonic=clock)
    for _ in range(3):
        limiter.take(caller)
    clock.seconds += 0.5
    assert limiter.take(caller).granted
    assert not limiter.take(caller).granted
    clock.seconds += 3600
    assert [limiter.take(caller).granted for _ in range(4)] == [True, True, True, False]


def test_callers_do_not_share_a_bucket() -> None:
    limiter = RateLimiter(per_second=1, burst=1, monotonic=Stopwatch())
    assert limiter.take(uuid4()).granted
    assert limiter.take(uuid4()).granted


def test_a_refusal_says_when_to_come_again_and_keeps_its_word() -> None:
    clock, caller = Stopwatch(), uuid4()
    limiter = RateLimiter(per_second=0.25, burst=1, monotonic=clock)
    limiter.take(caller)
    refused = limiter.take(caller)
    assert dict(refused.headers())[b"retry-after"] == b"4"
    clock.seconds += refused.wait_seconds
    assert limiter.take(caller).granted


def test_the_headers_tell_what_is_left() -> None:
    allowance = RateLimiter(per_second=10, burst=20, monotonic=Stopwatch()).take(uuid4())
    assert dict(allowance.headers()) == {
        b"ratelimit-limit": b"20", b"ratelimit-remaining": b"19", b"ratelimit-reset": b"1",
    }  # fmt: skip
