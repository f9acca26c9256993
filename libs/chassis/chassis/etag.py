"""Optimistic concurrency: a version is an ETag, an update names the version it changes (RFC 9110 §8.8.3, §13.1.1)."""

import re

from fastapi import Request, Response

from chassis.errors import PreconditionFailed, PreconditionRequired

_TAG = re.compile(r'"(\d{1,18})"')


def etag_of(version: int) -> str:
    """A strong entity tag."""
    return f'"{version}"'


def set_etag(response: Response, version: int) -> None:
    """Put the tag on an answer."""
    response.headers["ETag"] = etag_of(version)


def require_match(request: Request, version: int) -> None:
    """Let an update pass only if `If-Match` names the present version: 428 without the header, 412 when stale."""
    given = request.headers.get("if-match")
    if given is None:
        raise PreconditionRequired("Send If-Match with the ETag of the version you read.")
    if given.strip() == "*":
        return
    tags = [_TAG.fullmatch(tag.strip()) for tag in given.split(",")]
    if not any(tag is not None and int(tag[1]) == version for tag in tags):
        raise PreconditionFailed(
            f"Read it again: the present version is {version}.", headers={"ETag": etag_of(version)}
        )
