"""The rules on external ids that every service keeps: what is one, and which customer id it leads to."""

import re
from uuid import UUID, uuid5

# Values that systems write where they know nothing; taken as ids they would melt all strangers into one customer.
_BLOCKED = frozenset({
    "", "-1", "anonymous", "guest", "n/a", "na", "nan", "nil", "none", "null", "undefined", "unknown", "(null)",
    "<null>",
})  # fmt: skip
_BLOCKED_ZEROS = re.compile(r"[0-]{2,}")


def stands_for_no_id(value: str) -> bool:
    """Whether an external id is only what a system writes for "nobody in particular"."""
    plain = value.strip().casefold()
    return plain in _BLOCKED or _BLOCKED_ZEROS.fullmatch(plain) is not None


def customer_id_for(installation_id: UUID, source: str, external_id: str) -> UUID:
    """UUIDv5 (RFC 9562 §5.5) of (source, external id) in the installation's namespace."""
    return uuid5(installation_id, f"{source}\n{external_id}")
