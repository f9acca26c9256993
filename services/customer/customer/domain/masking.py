"""Personal data as a caller without `pii:read` sees it: enough to tell that something is there."""

from collections.abc import Collection
from typing import Any

_MASK = "***"


def masked_name(name: str) -> str:
    """The first letter."""
    return name[:1] + _MASK


def masked_email(address: str) -> str:
    """The first letter; a domain can be as personal as the name before it."""
    return f"{address[:1]}{_MASK}@{_MASK}"


def masked_phone(number: str) -> str:
    """The last two digits."""
    return _MASK + number[-2:]


def masked(profile: dict[str, Any], *, personal_attributes: Collection[str]) -> dict[str, Any]:
    """A profile with its personal data masked."""
    name = profile["name"]
    return profile | {
        "name": None if name is None else masked_name(name),
        "emails": [masked_email(address) for address in profile["emails"]],
        "phones": [masked_phone(number) for number in profile["phones"]],
        "attributes": {
            key: _MASK if key in personal_attributes else value for key, value in profile["attributes"].items()
        },
    }
