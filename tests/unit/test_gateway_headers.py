"""What passes the door in either direction."""

import pytest

from gateway.headers import for_caller, for_service


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "cookie", "stave-identity", "stave-trace-id", "x-forwarded-for", "x-forwarded-host",
        "forwarded", "x-real-ip", "connection", "keep-alive", "transfer-encoding", "te", "upgrade", "trailer",
        "proxy-authorization", "proxy-connection", "traceparent",
    ],
)  # fmt: skip
def test_a_service_never_sees_what_belongs_to_the_hop_or_could_forge_trust(name: str) -> None:
    assert for_service([(name.encode(), b"x"), (b"accept", b"*/*")]) == [(b"accept", b"*/*")]


def test_headers_that_connection_names_end_with_the_hop() -> None:
    headers = [(b"connection", b"close, X-Secret-Hop"), (b"x-secret-hop", b"1"), (b"if-match", b'"3"')]
    assert for_service(headers) == [(b"if-match", b'"3"')]


def test_what_the_service_needs_passes_unchanged() -> None:
    headers = [(b"content-type", b"application/json"), (b"idempotency-key", b"a"), (b"if-match", b'"1"')]
    assert for_service(headers) == headers


def test_the_callers_answer_carries_no_inner_hop() -> None:
    headers = [(b"connection", b"keep-alive"), (b"transfer-encoding", b"chunked"), (b"server", b"x"), (b"etag", b'"1"')]
    assert for_caller(headers) == [(b"etag", b'"1"')]
