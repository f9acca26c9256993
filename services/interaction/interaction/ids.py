"""New ids, made quickly: a bulk request needs thousands of them."""

from uuid import UUID

import uuid_utils
from asyncpg.pgproto.pgproto import UUID as DriverUUID  # noqa: N811  (a class the stub-less module shows as a constant)


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562 §5.7), as the driver's own subclass of UUID: three times as fast to make and to write out."""
    made: UUID = DriverUUID(uuid_utils.uuid7().bytes)
    return made
