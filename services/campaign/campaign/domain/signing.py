"""Signatures and secrets as in Standard Webhooks (https://www.standardwebhooks.com, specification 1.0)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """A secret as the partner gets it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def headers_for(message_id: str, at: datetime, body: bytes, *, keys: Sequence[str]) -> dict[str, str]:
    """The three headers of a signed message; while keys rotate there is one signature for each."""
    timestamp = str(int(at.timestamp()))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    signatures = " ".join(_signature(key, signed) for key in keys)
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signatures}


def _signature(key: str, signed: bytes) -> str:
    digest = hmac.new(base64.b64decode(key.removeprefix(_PREFIX)), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
