"""The door: a bound socket, taken before anything else is started, and the HTTP server on it."""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from standalone.errors import Refusal

BACKLOG = 2048
# What is in flight at a stop gets that long to finish.
DRAIN_SECONDS = 20


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises Refusal when the port is taken or not ours to take."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise Refusal(f"Stave cannot listen on {host}: {error.strerror or error}.") from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            taken = f"Port {port} on {host} is taken by another program: stop it, or choose another --port."
            raise Refusal(taken) from error
        raise Refusal(f"Stave cannot listen on {host} port {port}: {error.strerror}.") from error
    return listening


def url_of(listening: socket.socket) -> str:
    """The address to open, with the port the system chose when 0 was asked for."""
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


class HttpServer(uvicorn.Server):
    """uvicorn inside a loop of ours: it leaves the signals to us, since more than HTTP has to be stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def http_server(app: Any) -> HttpServer:
    """A server for the gateway's app."""
    return HttpServer(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )


def on_stop_signal(stop: Callable[[], None]) -> None:
    """Call `stop` at the first SIGTERM or SIGINT; at the second one end at once, leaving the rest to the next start."""
    asked = False

    def asked_to_stop() -> None:
        nonlocal asked
        if asked:
            os._exit(130)
        asked = True
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop)
