"""The way of every request: find the service, let the caller in, count, pass on, and record what was changed."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import Counter, Gauge

from chassis.clock import Clock
from chassis.errors import Problem
from chassis.trace import trace_from, use_trace
from gateway.audit import AuditTrail
from gateway.auth import Authenticator
from gateway.errors import DeadlineExceeded, NoSuchPath, Overloaded, RateLimited, ServiceFailed
from gateway.exchange import Exchange
from gateway.headers import header
from gateway.limits import RateLimiter
from gateway.repository import AuditRow
from gateway.routes import is_open, service_for
from gateway.settings import GatewaySettings
from gateway.upstreams import Receive, Scope, Send, Upstream

logger = logging.getLogger(__name__)

REFUSED = Counter("gateway_refused", "Requests that the gateway answered with a problem of its own", ["code"])
IN_FLIGHT = Gauge("gateway_in_flight", "Requests being answered")

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_CALLER_LEFT = 499


@dataclass(frozen=True, slots=True)
class Door:
    """What the gateway needs to decide about a request."""

    settings: GatewaySettings
    upstreams: Mapping[str, Upstream]
    authenticator: Authenticator
    limiter: RateLimiter
    audit: AuditTrail
    clock: Clock


class Front:
    """The gateway as one plain ASGI app."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._deadline_seconds = door.settings.request_deadline.total_seconds()
        self._in_flight_count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; there are no other kinds of connection here."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        traceparent = header(scope["headers"], b"traceparent")
        with use_trace(trace_from(traceparent.decode("latin-1") if traceparent else None)) as trace:
            exchange = Exchange(scope, receive, send, trace=trace, max_body=self._door.settings.max_body)
            try:
                await self._answer(exchange)
            except Problem as problem:
                if exchange.started:
                    raise
                REFUSED.labels(problem.code).inc()
                logger.info("%s refused: %s", scope["method"], problem.code)
                await exchange.refuse(problem)
            finally:
                self._record(exchange)

    async def _answer(self, exchange: Exchange) -> None:
        path = exchange.scope["path"]
        service = service_for(path)
        if service is None:
            raise NoSuchPath("Look at /docs for what there is.")
        upstream = self._door.upstreams[service]
        if is_open(path):
            # Probes must get through when everything else is shed.
            await self._pass_on(exchange, upstream)
            return
        if not (path == "/metrics" and self._door.settings.metrics_open):
            await self._admit(exchange)
        exchange.require_announced_body_in_cap()
        await self._pass_on_if_room(exchange, upstream)

    async def _admit(self, exchange: Exchange) -> None:
        """Who is it, and how much have they asked already? Raises KeyRequired, KeyRefused, RateLimited, AuditIsFull."""
        caller = await self._door.authenticator.authenticate(header(exchange.scope["headers"], b"authorization"))
        exchange.caller = caller
        allowance = self._door.limiter.take(caller.key_id)
        exchange.answer_headers.extend(allowance.headers())
        if not allowance.granted:
            raise RateLimited(f"Come again in {allowance.wait_seconds} s.")
        if exchange.scope["method"] in _WRITES:
            self._door.audit.require_room()

    async def _pass_on_if_room(self, exchange: Exchange, upstream: Upstream) -> None:
        if self._in_flight_count >= self._door.settings.max_in_flight:
            raise Overloaded("Come again in a moment.", headers={"Retry-After": "1"})
        self._in_flight_count += 1
        IN_FLIGHT.inc()
        try:
            await self._pass_on(exchange, upstream)
        finally:
            self._in_flight_count -= 1
            IN_FLIGHT.dec()

    async def _pass_on(self, exchange: Exchange, upstream: Upstream) -> None:
        try:
            async with asyncio.timeout(self._deadline_seconds) as deadline:
                exchange.deadline = deadline
                await upstream(exchange.inner_scope(), exchange.receive, exchange.send)
        except Exception as error:
            self._judge_failure(exchange, error, in_time=not deadline.expired())
        if exchange.over_cap and not exchange.started:
            raise exchange.body_too_large()
        if not exchange.started:
            raise ServiceFailed("The service gave no answer; whether it did its work is not known.")

    @staticmethod
    def _judge_failure(exchange: Exchange, error: Exception, *, in_time: bool) -> None:
        """What a failed upstream means for the caller. Raises what it means, unless the answer is whole already."""
        if exchange.complete or (exchange.over_cap and not exchange.started):
            return
        if exchange.started:
            # Half an answer cannot be taken back; a broken connection shows that it is one.
            raise error
        if not in_time:
            raise DeadlineExceeded("The work may still have been done; ask for its result before trying again.")
        if isinstance(error, Problem):
            raise error
        logger.error("a service failed with %s before it answered", type(error).__name__, exc_info=error)
        raise ServiceFailed("The error was logged; quote the trace id when you report it.") from error

    def _record(self, exchange: Exchange) -> None:
        scope = exchange.scope
        if exchange.caller is None or scope["method"] not in _WRITES:
            return
        self._door.audit.add(
            AuditRow(
                at=self._door.clock.system_now(),
                subject=exchange.caller.identity.subject,
                method=scope["method"],
                path=scope["path"],
                status=exchange.status or _CALLER_LEFT,
                trace_id=exchange.trace.trace_id,
            )
        )
