"""What a process tells its operators: structured logs, metrics, and a trace id on both. Never personal data or bodies.

Metrics are registered once per process and labelled by service, since the embedded shape runs all services in one.
"""

import asyncio
import json
import logging
import sys
import time
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.errors import answer, problem_of
from chassis.trace import TraceContext, known_trace, trace_from, use_trace

logger = logging.getLogger(__name__)
access_logger = logging.getLogger("chassis.access")

TRACE_HEADER = "stave-trace-id"

HTTP_REQUESTS = Histogram(
    "http_request_seconds", "Time to answer, by route template", ["service", "method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
OUTBOX_AGE = Gauge("outbox_age_seconds", "Age of the oldest event that waits to be published", ["service"])
OUTBOX_PENDING = Gauge(
    "outbox_pending", "Events that wait to be published, as far as the relay has looked", ["service"]
)
RELAY_PUBLISHED = Counter("relay_published", "Events the relay has published", ["service"])
CONSUMER_LAG = Gauge("consumer_lag", "Records a service has yet to consume", ["service"])
CONSUMER_LAG_AGE = Gauge("consumer_lag_age_seconds", "Age of the oldest record yet to consume", ["service"])
CONSUMER_BATCH = Histogram(
    "consumer_batch_size",
    "Records handled in one transaction",
    ["service"],
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500),
)
DEAD_LETTERS = Counter("dead_letters", "Events buried", ["service"])
JOBS = Counter("jobs", "Jobs that reached a state", ["service", "kind", "state"])


class Age:
    """How old the oldest of what waits is, worked out when asked: it grows even while whoever sets it hangs."""

    def __init__(self, gauge: Gauge, service: str) -> None:
        self.oldest_at: datetime | None = None
        gauge.labels(service).set_function(self.seconds)

    def seconds(self) -> float:
        """Seconds since then; 0 when nothing waits."""
        return 0.0 if self.oldest_at is None else max(0.0, (datetime.now(UTC) - self.oldest_at).total_seconds())


# Every change leaves a line with its trace id; reads would drown them.
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

# Libraries whose messages quote the values they were given: those can be personal data.
_QUOTING = frozenset({"sqlalchemy", "asyncpg", "pydantic_core"})
_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class DiscreetFormatter(logging.Formatter):
    """Shows where an error came from; of errors that quote values, such as a duplicate key's, only what they are."""

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """The chain of errors with their tracebacks, the first cause first."""
        told: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None and len(told) < 10:
            told.append("".join(traceback.format_tb(error.__traceback__)) + describe_discreetly(error))
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(reversed(told))


def describe_discreetly(error: BaseException) -> str:
    """An error's name and text; instead of a text that quotes values, the SQLSTATE and the constraint."""
    name = type(error).__name__
    if type(error).__module__.split(".", 1)[0] not in _QUOTING:
        return f"{name}: {error}"
    origin = getattr(error, "orig", error)
    facts = [str(fact) for field in ("sqlstate", "constraint_name") if (fact := getattr(origin, field, None))]
    return " ".join([name, *facts])


class JsonFormatter(DiscreetFormatter):
    """One JSON object a line; what a call passes as `extra` becomes fields."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        # A look only: a trace begun by a log line at start would be inherited by all that starts later.
        trace = known_trace()
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "trace_id": trace.trace_id if trace else None,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({name: value for name, value in vars(record).items() if name not in _RECORD_FIELDS})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(level: str, service: str) -> None:
    """Log JSON lines to stdout; in front of a person, plain lines to stderr."""
    if sys.stderr.isatty():
        handler: logging.Handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(DiscreetFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    else:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Their INFO lines repeat ours, with raw paths, which can hold a customer's external id.
    for noisy in ("uvicorn.access", "httpx", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class TraceMiddleware:
    """The outermost layer of an app: continues the caller's trace, measures, logs, and answers what nobody caught."""

    def __init__(self, app: ASGIApp, *, service: str) -> None:
        self._app = app
        self._service = service
        self._children: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request in its trace."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with use_trace(_trace_in(scope)) as trace:
            await self._serve(scope, receive, send, trace)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, trace: TraceContext) -> None:
        began = time.perf_counter()
        status = 0
        trace_header = (TRACE_HEADER.encode(), trace.trace_id.encode())

        async def send_traced(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), trace_header]}
            await send(message)

        try:
            await self._app(scope, receive, send_traced)
        except asyncio.CancelledError:
            status = status or 499
            raise
        except Exception as error:
            await self._answer(error, scope, receive, send_traced, started=status > 0)
        finally:
            self._observe(scope, status, time.perf_counter() - began)

    @staticmethod
    async def _answer(error: Exception, scope: Scope, receive: Receive, send: Send, *, started: bool) -> None:
        problem = problem_of(error)
        if problem.status >= 500 and problem.code != "database_unavailable":
            logger.error("unexpected %s while answering", type(error).__name__, exc_info=error)
        else:
            logger.warning("%s while answering: %s", type(error).__name__, problem.code)
        # An answer that has begun cannot be taken back: break it off, so that nobody takes it for complete.
        if started:
            raise error
        await answer(problem)(scope, receive, send)

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        route, method = template_of(scope), scope["method"]
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = HTTP_REQUESTS.labels(self._service, method, route, str(status))
        child.observe(seconds)
        quiet = status < 400 and method not in _WRITES
        level = logging.DEBUG if quiet else logging.INFO if status < 500 else logging.WARNING
        if access_logger.isEnabledFor(level):
            seen = {"method": method, "route": route, "status": status, "seconds": round(seconds, 5)}
            access_logger.log(level, "%s %s %s", method, route, status, extra={"http_service": self._service, **seen})


def template_of(scope: MutableMapping[str, Any]) -> str:
    """The matched route's template: a raw path would be personal data in a log and boundless as a label."""
    route = scope.get("route")
    return str(getattr(route, "path", "unmatched"))


def _trace_in(scope: Scope) -> TraceContext:
    traceparent = correlation = None
    for name, value in scope["headers"]:
        if name == b"traceparent":
            traceparent = value.decode("latin-1")
        elif name == b"correlationid":
            correlation = value.decode("latin-1")[:64]
    return trace_from(traceparent, correlation)
