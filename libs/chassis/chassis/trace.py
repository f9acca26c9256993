"""The thread that runs through one chain of cause and effect: W3C Trace Context plus correlation and causation."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

_TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """`correlation_id` is the trace id of the request that began it all; `causation_id` the event being handled."""

    traceparent: str
    correlation_id: str
    causation_id: UUID | None = None

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return self.traceparent[3:35]


_current: ContextVar[TraceContext | None] = ContextVar("trace", default=None)


def new_trace() -> TraceContext:
    """A trace that starts here."""
    trace_id = secrets.token_hex(16)
    return TraceContext(f"00-{trace_id}-{secrets.token_hex(8)}-01", trace_id)


def current_trace() -> TraceContext:
    """The trace of the running request or event; a fresh one outside both."""
    found = _current.get()
    if found is None:
        found = new_trace()
        _current.set(found)
    return found


def trace_from(
    traceparent: str | None, correlation_id: str | None = None, causation_id: UUID | None = None
) -> TraceContext:
    """Go on with a caller's trace in a span of our own; what is not W3C Trace Context starts a new one."""
    if traceparent is None or not _TRACEPARENT.match(traceparent):
        fresh = new_trace()
        return TraceContext(fresh.traceparent, correlation_id or fresh.correlation_id, causation_id)
    parent = f"{traceparent[:36]}{secrets.token_hex(8)}{traceparent[52:]}"
    return TraceContext(parent, correlation_id or traceparent[3:35], causation_id)


def known_trace() -> TraceContext | None:
    """The trace of the running request or event, if there is one."""
    return _current.get()


@contextmanager
def use_trace(trace: TraceContext) -> Iterator[TraceContext]:
    """Make a trace the current one inside a block."""
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


@contextmanager
def continue_trace(
    traceparent: str | None, correlation_id: str | None = None, causation_id: UUID | None = None
) -> Iterator[TraceContext]:
    """Go on with a trace inside a block."""
    with use_trace(trace_from(traceparent, correlation_id, causation_id)) as trace:
        yield trace
