"""An update names the version it changes."""

import pytest
from fastapi import Request

from chassis.errors import PreconditionFailed, PreconditionRequired
from chassis.etag import etag_of, require_match


def request_with(if_match: str | None) -> Request:
    headers = [] if if_match is None else [(b"if-match", if_match.encode())]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize("given", ['"3"', ' "3" ', '"2", "3"', "*"])
def test_the_present_version_passes(given: str) -> None:
    require_match(request_with(given), 3)


@pytest.mark.parametrize("given", ['"2"', 'W/"3"', "3", "", '"abc"', '"' + "9" * 5000 + '"'])
def test_anything_else_is_stale(given: str) -> None:
    with pytest.raises(PreconditionFailed) as refused:
        require_match(request_with(given), 3)
    assert refused.value.headers["ETag"] == etag_of(3)


def test_an_update_without_a_version_is_refused() -> None:
    with pytest.raises(PreconditionRequired):
        require_match(request_with(None), 3)
