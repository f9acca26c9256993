"""Answers with a secret: what is kept of them for a repeated Idempotency-Key must not hold it."""

import json
from typing import Any

from fastapi import Request, Response


class _WithoutSecret:
    def __init__(self, claim: Any) -> None:
        self._claim = claim

    async def keep(self, response: Response) -> None:
        body = json.loads(bytes(response.body)) | {"secret": None}
        shown = Response(json.dumps(body), status_code=response.status_code, media_type="application/json")
        await self._claim.keep(shown)


def keep_without_secret(request: Request) -> None:
    """Have a repeated request answered without the secret: it is shown once, also to who asks twice."""
    if claim := getattr(request.state, "claim", None):
        request.state.claim = _WithoutSecret(claim)
