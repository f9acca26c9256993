"""ETags of one exchange: what the request asks to change, what the answer says it is now."""

from typing import Annotated

from fastapi import Depends, Request, Response

from chassis.etag import require_match, set_etag


class ExchangedVersions:
    """The request's If-Match and the answer's ETag."""

    def __init__(self, request: Request, response: Response) -> None:
        self._request = request
        self._response = response

    def require(self, version: int) -> None:
        """Raises PreconditionRequired without If-Match, PreconditionFailed when it names another version."""
        require_match(self._request, version)

    def tell(self, version: int) -> None:
        """Put the version on the answer."""
        set_etag(self._response, version)


Versions = Annotated[ExchangedVersions, Depends(ExchangedVersions)]
