"""The address guard: what a partner's URL resolves to, or is dialled at, must not be inside our own network."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from campaign.domain.addresses import Network, refusal

_RESOLVE_SECONDS = 3.0
_LOOKUP_THREADS = 32


class AddressRefused(OSError):
    """An address that must not be dialled."""


class SystemResolver(AbstractResolver):
    """The system's resolver on threads of its own: names that take for ever must not hold up anything else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="webhook-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of a name."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=0)
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Let the threads go; a lookup that hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class AddressGuard:
    """Knows which networks are open by name; `resolver` answers what a host name stands for."""

    def __init__(
        self, allowed: Sequence[Network], *, https_only: bool, resolver: AbstractResolver | None = None
    ) -> None:
        self._allowed = tuple(allowed)
        self._https_only = https_only
        self._resolver = resolver

    def resolver(self) -> AbstractResolver:
        """Who answers for host names; made when first needed, inside the running loop."""
        if self._resolver is None:
            self._resolver = SystemResolver()
        return self._resolver

    def socket_for(self, dialled: tuple[Any, ...]) -> socket.socket:
        """A socket for an address about to be dialled. Raises AddressRefused.

        aiohttp calls this for each connection with the very address it will connect to, be it a literal or what a name
        resolved to this time, so a name that changes its mind in between (DNS rebinding) gains nothing.
        """
        family, kind, protocol, _, address = dialled
        if reason := refusal(address[0], self._allowed):
            raise AddressRefused(errno.EACCES, reason)
        return socket.socket(family, kind, protocol)

    async def objection(self, url: str) -> str | None:
        """Why a URL cannot be an endpoint; None where it can. A name that does not resolve now may later."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            return "this is no URL"
        if parts.scheme not in ("https", "http") or not host:
            return "use an absolute URL that begins with https://"
        if self._https_only and parts.scheme != "https":
            return "only https is allowed in production"
        if parts.username is not None or parts.password is not None or parts.fragment:
            return "leave out user name, password and fragment"
        return await self._objection_to_host(host, port)

    async def _objection_to_host(self, host: str, port: int) -> str | None:
        for address in await self._addresses(host, port):
            if reason := refusal(address, self._allowed):
                return f"{host}: {reason}"
        return None

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return [str(ip_address(host.split("%", 1)[0]))]
        except ValueError:
            pass
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                found = await self.resolver().resolve(host, port, socket.AF_UNSPEC)
        except (OSError, TimeoutError, UnicodeError):
            return []
        return [entry["host"] for entry in found]
