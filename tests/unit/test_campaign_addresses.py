"""Which addresses a partner's URL may lead to, in every spelling."""

import socket
from ipaddress import ip_network

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from campaign.channels.guard import AddressGuard, AddressRefused
from campaign.domain.addresses import refusal


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
        "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1",
        "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1", "fd12::1", "fe80::1",
        "fe80::1%eth0", "fec0::1", "ff02::1", "4000::1",
    ],
)  # fmt: skip
def test_what_is_not_public_is_refused(address: str) -> None:
    assert refusal(address, ())


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_may_be_dialled(address: str) -> None:
    assert refusal(address, ()) is None


def test_a_network_is_opened_by_name() -> None:
    allowed = (ip_network("127.0.0.0/8"),)
    assert refusal("127.0.0.1", allowed) is None
    assert refusal("::ffff:127.0.0.1", allowed) is None
    assert refusal("::1", allowed)
    assert refusal("10.0.0.1", allowed)


class Names(AbstractResolver):
    """Answers in turn, the last one for ever: a name that changes its mind."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:  # type: ignore[override]
        address = self._addresses.pop(0) if len(self._addresses) > 1 else self._addresses[0]
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest/meta-data",
        "ftp://example.com/", "file:///etc/passwd", "//example.com/", "example.com", "http://", "http://[::1",
        "http://somebody@example.com/", "https://example.com/#part", "http://example.com:99999/",
    ],
)  # fmt: skip
async def test_a_url_that_leads_inside_or_nowhere_is_no_endpoint(url: str) -> None:
    guard = AddressGuard((), https_only=False, resolver=Names("8.8.8.8"))
    assert await guard.objection(url)


@pytest.mark.parametrize(
    "host", ["localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "inside.example", "①②⑦.⓪.⓪.①"]
)
async def test_a_name_or_number_that_resolves_inside_is_no_endpoint(host: str) -> None:
    guard = AddressGuard((), https_only=False, resolver=Names("127.0.0.1"))
    assert await guard.objection(f"http://{host}/")


@pytest.mark.parametrize("number", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost"])
async def test_the_systems_own_resolver_is_asked_about_numbers_too(number: str) -> None:
    guard = AddressGuard((), https_only=False)
    assert await guard.objection(f"http://{number}/")
    await guard.resolver().close()


async def test_production_wants_https() -> None:
    guard = AddressGuard((), https_only=True, resolver=Names("8.8.8.8"))
    assert await guard.objection("http://example.com/") == "only https is allowed in production"
    assert await guard.objection("https://example.com/") is None


def test_the_address_that_is_dialled_is_looked_at() -> None:
    guard = AddressGuard((), https_only=False)
    with pytest.raises(AddressRefused, match="not a public address"):
        guard.socket_for((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", 443)))
