"""Which network addresses a partner's URL may lead to.

An explicit list, because `ipaddress.is_global` of Python 3.11 calls NAT64, 6to4 and multicast global. Sources: IANA
special-purpose address registries for IPv4 and IPv6 (RFC 6890), OWASP on server-side request forgery.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_DENIED: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    )
)  # fmt: skip
# All of IPv6 that is routed is in here; NAT64 (64:ff9b::/96), mapped, unique local, link local, multicast are not.
_GLOBAL_IPV6 = ip_network("2000::/3")


def refusal(address: str, allowed: Sequence[Network]) -> str | None:
    """Why an address must not be dialled; None where it may. `allowed` opens networks by name."""
    plain = _unmapped(address)
    if any(plain in network for network in allowed if network.version == plain.version):
        return None
    if plain.version == 6 and plain not in _GLOBAL_IPV6:
        return f"{plain} is not a public address"
    denied = next((network for network in _DENIED if network.version == plain.version and plain in network), None)
    return None if denied is None else f"{plain} is not a public address ({denied} is reserved)"


def _unmapped(address: str) -> Address:
    """The address as the kernel dials it: `::ffff:127.0.0.1` is 127.0.0.1, a zone id is no part of it."""
    plain = ip_address(address.split("%", 1)[0])
    return plain.ipv4_mapped or plain if isinstance(plain, IPv6Address) else plain
