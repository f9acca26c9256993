"""A small partner: receives webhooks, checks each signature with the Standard Webhooks library, remembers when it came.

It knows nothing of Stave but the endpoint's secret, as any partner would.
"""

import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Arrival:
    """One request that came in."""

    at: datetime
    verified: bool
    webhook_id: str
    body: dict[str, Any]

    @property
    def seconds_after_event(self) -> float:
        """From the event's own time to its arrival."""
        return (self.at - datetime.fromisoformat(self.body["time"])).total_seconds()


class Receiver:
    """An HTTP server on a free port of this machine, in a thread."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.secret = ""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                status = 204 if receiver.take(raw, dict(self.headers.items())) else 401
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing: the report tells what came."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where partners of this receiver send to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/stave"

    def take(self, raw: bytes, headers: dict[str, str]) -> bool:
        """Verify one request and remember it."""
        from standardwebhooks.webhooks import Webhook, WebhookVerificationError

        names = {name.lower(): value for name, value in headers.items()}
        try:
            Webhook(self.secret).verify(raw, names)
            verified = True
        except WebhookVerificationError:
            verified = False
        self.arrivals.append(Arrival(datetime.now(UTC), verified, names.get("webhook-id", ""), json.loads(raw)))
        return verified

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
