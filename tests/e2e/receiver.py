"""A stranger's receiver: plain http.server, signatures checked by PyPI's `standardwebhooks`, nothing of ours."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError


class Receiver:
    """Listens inside the block; takes what verifies, answers 401 to what does not and 400 while it has no secret."""

    def __init__(self) -> None:
        self.secret = ""
        self.refused: list[str] = []
        # How often each webhook-id came, and what it carried.
        self.copies: Counter[str] = Counter()
        self.events: dict[str, dict[str, Any]] = {}
        self.answers: list[int] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hooks"

    def __enter__(self) -> "Receiver":
        """Listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Verify one message and keep it; returns the status to answer with."""
        try:
            Webhook(self.secret).verify(body, headers)
        except (WebhookVerificationError, RuntimeError) as error:
            with self._lock:
                self.refused.append(str(error))
            return 401
        with self._lock:
            if self.answers:
                return self.answers.pop(0)
            self.copies[headers["webhook-id"]] += 1
            self.events.setdefault(headers["webhook-id"], json.loads(body))
        return 204

    def received(self, event_type: str) -> list[dict[str, Any]]:
        """The data of each event of a type, once for each webhook-id."""
        with self._lock:
            return [event["data"] for event in self.events.values() if event["type"] == event_type]


def _handler_for(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
