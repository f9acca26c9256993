"""API keys as text: `stv_<prefix>.<secret>`. The prefix finds the key, the secret proves it; only a hash is stored."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

_BEARER = re.compile(rb"^[Bb]earer +stv_([a-z0-9]{12})\.([A-Za-z0-9_-]{43})$")
_PREFIX_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key in the clear: made once, shown once, never stored."""

    prefix: str
    secret: str

    def __str__(self) -> str:
        return f"stv_{self.prefix}.{self.secret}"

    def __repr__(self) -> str:
        return f"Credentials({self.prefix})"

    @property
    def digest(self) -> bytes:
        """SHA-256 of the secret.

        A slow, salted hash protects what people choose; 256 random bits cannot be guessed or looked up, and a fast
        hash keeps each request cheap.
        """
        return hashlib.sha256(self.secret.encode()).digest()

    def prove(self, digest: bytes) -> bool:
        """Whether this is the secret behind a stored hash, in a time that does not tell how close it was."""
        return hmac.compare_digest(self.digest, digest)


def mint() -> Credentials:
    """A new key: 12 characters to find it by, 256 random bits to prove it."""
    prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(12))
    return Credentials(prefix, secrets.token_urlsafe(32))


def read_bearer(authorization: bytes | None) -> Credentials | None:
    """The key of an `Authorization` header; None where there is none or it cannot be one."""
    match = _BEARER.match(authorization) if authorization else None
    return Credentials(match[1].decode(), match[2].decode()) if match else None
