"""Who calls: the gateway vouches for a caller in a short-lived signed token, and services believe nobody else."""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt

HEADER = "stave-identity"
ADMIN = "admin"
ISSUER = "stave-gateway"
AUDIENCE = "stave-services"
LIFETIME_SECONDS = 60
_LEEWAY_SECONDS = 5
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller: `subject` is stable for one key or user; `key_id` names the API key, where there is one."""

    subject: str
    scopes: frozenset[str]
    key_id: str | None = None

    def may(self, scope: str) -> bool:
        """Whether the scopes cover one; `admin` covers all."""
        return scope in self.scopes or ADMIN in self.scopes


class IdentityRefused(Exception):
    """The token is missing, forged, expired or meant for somebody else."""


def identity_key(secret: bytes) -> bytes:
    """A key for this purpose only, derived from the installation's secret."""
    return hmac.digest(secret, b"stave-identity", hashlib.sha256)


def sign_identity(secret: bytes, identity: Identity, *, now: float | None = None) -> str:
    """A JWT (HS256) that vouches for a caller for a minute."""
    issued_at = int(time.time() if now is None else now)
    claims: dict[str, Any] = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": identity.subject, "scope": " ".join(sorted(identity.scopes)),
        "iat": issued_at, "exp": issued_at + LIFETIME_SECONDS,
    }  # fmt: skip
    if identity.key_id is not None:
        claims["key_id"] = identity.key_id
    return jwt.encode(claims, identity_key(secret), algorithm="HS256")


class IdentitySigner:
    """Signs for the gateway; a token is used again until half its life is over, as signing costs more than looking."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._signed: OrderedDict[Identity, tuple[str, float]] = OrderedDict()

    def token_for(self, identity: Identity) -> str:
        """A token for a caller."""
        now = time.time()
        found = self._signed.get(identity)
        if found is not None and now < found[1]:
            return found[0]
        token = sign_identity(self._secret, identity, now=now)
        _remember(self._signed, identity, (token, now + LIFETIME_SECONDS / 2))
        return token


class IdentityVerifier:
    """Verifies for a service; a token seen before is looked up until it expires."""

    def __init__(self, secret: bytes, *, now: Callable[[], float] = time.time) -> None:
        self._key = identity_key(secret)
        self._now = now
        self._verified: OrderedDict[str, tuple[Identity, float]] = OrderedDict()

    def verify(self, token: str) -> Identity:
        """The caller a token vouches for. Raises IdentityRefused."""
        found = self._verified.get(token)
        if found is None:
            claims = self._claims(token)
            identity = Identity(claims["sub"], frozenset(str(claims.get("scope", "")).split()), claims.get("key_id"))
            found = (identity, float(claims["exp"]) + _LEEWAY_SECONDS)
            _remember(self._verified, token, found)
        if self._now() >= found[1]:
            raise IdentityRefused("the token has expired")
        return found[0]

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token, self._key, algorithms=["HS256"], issuer=ISSUER, audience=AUDIENCE,
                # Expiry is judged at each use, also of a token that is remembered.
                options={"require": ["iss", "aud", "sub", "iat", "exp"], "verify_exp": False, "verify_iat": False},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError) as error:
            raise IdentityRefused(str(error)) from error


def _remember(cache: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > _REMEMBERED:
        cache.popitem(last=False)
