"""Which headers pass the door: what belongs to one connection and what could forge trust stays outside."""

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

# RFC 9110 §7.6.1: these, and those that Connection names, describe one hop and end with it.
_HOP_BY_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization",
        b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
# The key itself ends at the gateway; a service knows its caller by the signed identity only.
_NOT_PASSED_ON = _HOP_BY_HOP | {b"authorization", b"cookie", b"forwarded", b"x-real-ip", b"traceparent", b"tracestate"}
_SPOOFABLE_PREFIXES = (b"stave-", b"x-forwarded-", b"x-stave-")


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The first value of a header, by its lower-case name."""
    for key, value in headers:
        if key == name:
            return value
    return None


def _named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    value = header(headers, b"connection")
    return frozenset(name.strip().lower() for name in value.split(b",")) if value else frozenset()


def for_service(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """A caller's headers, without the key, anything of this hop only, and anything only the gateway may say."""
    named = _named_by_connection(headers)
    return [
        pair
        for pair in headers
        if pair[0] not in _NOT_PASSED_ON and pair[0] not in named and not pair[0].startswith(_SPOOFABLE_PREFIXES)
    ]


def for_caller(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """A service's headers, without those of the inner hop; the server at the door dates and signs it."""
    return [pair for pair in headers if pair[0] not in _HOP_BY_HOP and pair[0] not in (b"server", b"date")]
