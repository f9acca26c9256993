"""Who asks: API keys checked against a copy in memory that is never older than a revocation may take."""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.database import Database
from chassis.identity import Identity, IdentitySigner
from gateway import repository
from gateway.credentials import Credentials, read_bearer
from gateway.errors import KeyRefused, KeyRequired, KeysCannotBeChecked
from gateway.repository import StoredKey

logger = logging.getLogger(__name__)

# A revoked key works for at most 5 s: the copy is read again in the background after 2 s, and nobody is let in on one
# older than 4 s, which leaves a second for the reading itself.
REFRESH_AFTER_SECONDS = 2.0
TRUSTED_SECONDS = 4.0
_READ_SECONDS = 1.0
# A key that another gateway just issued is not in the copy yet, so a miss reads again; but not for every wrong guess.
_MISS_AFTER_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Caller:
    """A key that may come in, with the signed identity that the services are shown."""

    key_id: UUID
    identity: Identity
    token: str


class KeyRing:
    """All usable keys in memory: a wrong key costs the database nothing, however often it is tried."""

    def __init__(self, database: Database, *, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._monotonic = monotonic
        self._keys: dict[str, StoredKey] = {}
        self._read_at = -math.inf
        self._reading: asyncio.Task[None] | None = None
        self._forgotten_count = 0

    async def find(self, prefix: str) -> StoredKey | None:
        """The key with this prefix. Raises KeysCannotBeChecked when the copy is too old and cannot be renewed."""
        age_seconds = self._monotonic() - self._read_at
        if age_seconds > TRUSTED_SECONDS:
            await self._read()
        elif age_seconds > REFRESH_AFTER_SECONDS:
            self._begin_reading()
        elif prefix not in self._keys and age_seconds > _MISS_AFTER_SECONDS:
            await self._read()
        return self._keys.get(prefix)

    def forget(self) -> None:
        """Trust nothing that was read before now."""
        self._read_at = -math.inf
        self._forgotten_count += 1
        self._reading = None

    async def close(self) -> None:
        """Wait for a reading under way."""
        if self._reading is not None:
            await asyncio.wait({self._reading})

    def _begin_reading(self) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._reload(), name="gateway-keys")
            self._reading.add_done_callback(_log_failure)
        return self._reading

    async def _read(self) -> None:
        try:
            # One caller that goes away must not end the reading that others wait for.
            await asyncio.shield(self._begin_reading())
        except Exception as error:
            raise KeysCannotBeChecked("The key store does not answer; try again in a moment.") from error

    async def _reload(self) -> None:
        began_at, forgotten_count = self._monotonic(), self._forgotten_count
        async with asyncio.timeout(_READ_SECONDS), self._database.read() as session:
            keys = await repository.list_usable_keys(session)
        # What was read before a change by this process must not replace what is read after it.
        if forgotten_count == self._forgotten_count:
            self._keys = {key.prefix: key for key in keys}
            self._read_at = began_at


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.warning("keys could not be read: %s: %s", type(error).__name__, error)


class Authenticator:
    """Turns an `Authorization` header into a caller."""

    def __init__(self, ring: KeyRing, *, secret: bytes, clock: Clock) -> None:
        self._ring = ring
        self._signer = IdentitySigner(secret)
        self._clock = clock

    async def authenticate(self, authorization: bytes | None) -> Caller:
        """The caller behind a header. Raises KeyRequired, KeyRefused, KeysCannotBeChecked."""
        if authorization is None:
            raise KeyRequired("Send your API key as `Authorization: Bearer stv_…`.")
        credentials = read_bearer(authorization)
        key = await self._ring.find(credentials.prefix) if credentials else None
        if credentials is None or key is None or not self._accepts(key, credentials):
            raise KeyRefused("The key is not one of ours, or it was revoked, or it has expired.")
        identity = Identity(f"key:{key.id}", key.scopes, key_id=str(key.id))
        return Caller(key.id, identity, self._signer.token_for(identity))

    def _accepts(self, key: StoredKey, credentials: Credentials) -> bool:
        live = key.expires_at is None or self._clock.system_now() < key.expires_at
        return credentials.prove(key.secret_hash) and live
