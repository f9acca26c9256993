"""One request at the door and its answer: counts the body as it streams in, and knows how far the answer has come."""

from asyncio import Timeout

from chassis.errors import Problem, answer
from chassis.telemetry import TRACE_HEADER
from chassis.trace import TraceContext
from gateway.auth import Caller
from gateway.errors import BodyTooLarge
from gateway.headers import Headers, for_caller, for_service, header
from gateway.upstreams import Message, Receive, Scope, Send

_IDENTITY_HEADER = b"stave-identity"
_DISCONNECT: Message = {"type": "http.disconnect"}


class Exchange:
    """Stands between the server and the upstream: `receive` and `send` are what the upstream gets."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, trace: TraceContext, max_body: int) -> None:
        self.scope = scope
        self.trace = trace
        self.caller: Caller | None = None
        self.answer_headers: Headers = []
        self.deadline: Timeout | None = None
        self.status = 0
        self.complete = False
        self.over_cap = False
        self._receive = receive
        self._send = send
        self._max_body = max_body
        self._received_bytes = 0

    @property
    def started(self) -> bool:
        """Whether the caller has seen the beginning of an answer."""
        return self.status > 0

    def body_too_large(self) -> BodyTooLarge:
        """The refusal of a body over the cap."""
        return BodyTooLarge(f"At most {self._max_body} bytes; send more in parts.")

    def require_announced_body_in_cap(self) -> None:
        """Refuse by Content-Length, before a byte is read. Raises BodyTooLarge."""
        announced = header(self.scope["headers"], b"content-length")
        if announced is not None and (not announced.isdigit() or int(announced) > self._max_body):
            raise self.body_too_large()

    def inner_scope(self) -> Scope:
        """The request as the service sees it: the caller's headers cleaned, the identity and the trace added."""
        headers = for_service(self.scope["headers"])
        headers.append((b"traceparent", self.trace.traceparent.encode()))
        if self.caller is not None:
            headers.append((_IDENTITY_HEADER, self.caller.token.encode()))
        return {**self.scope, "headers": headers}

    async def receive(self) -> Message:
        """The next part of the body; a body over the cap ends as if the caller had left."""
        if self.over_cap:
            return _DISCONNECT
        message = await self._receive()
        if message["type"] == "http.request":
            self._received_bytes += len(message.get("body", b""))
            if self._received_bytes > self._max_body:
                self.over_cap = True
                return _DISCONNECT
        return message

    async def send(self, message: Message) -> None:
        """The next part of the service's answer."""
        if self.over_cap and not self.started:
            # What a service says about half a body is not for the caller, who is told the reason instead.
            return
        if message["type"] == "http.response.start":
            if self.deadline is not None:
                # The deadline is for the beginning of an answer; a long export may take its time.
                self.deadline.reschedule(None)
            message = {**message, "headers": for_caller(message.get("headers", ()))}
        await self._pass(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem of the door's own.

        What is left of the body is not waited for: the server drops it as it comes, and the connection stays usable.
        """
        self.answer_headers.append((TRACE_HEADER.encode(), self.trace.trace_id.encode()))
        await answer(problem)(self.scope, self._receive, self._pass)

    async def _pass(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self.answer_headers]
        elif not message.get("more_body", False):
            self.complete = True
        await self._send(message)
