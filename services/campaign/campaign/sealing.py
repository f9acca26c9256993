"""Secrets at rest: AES-256-GCM under a key derived from the installation's secret key (RFC 5869)."""

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class Seal:
    """Encrypts and authenticates; `context` (who the secret belongs to) must be the same to open it."""

    def __init__(self, secret_key: bytes) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"stave campaign webhook secrets").derive(secret_key)
        self._cipher = AESGCM(key)

    def close(self, secret: str, *, context: bytes) -> bytes:
        """The sealed secret, its nonce in front."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), context)

    def open(self, sealed: bytes, *, context: bytes) -> str:
        """The secret. Raises InvalidTag when the key or the context is another."""
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context).decode()
