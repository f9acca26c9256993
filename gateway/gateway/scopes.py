"""What a key may do: the scopes there are, and who may give which."""

from collections.abc import Iterable
from typing import Literal, get_args

Scope = Literal[
    "customers:read", "customers:write",
    "interactions:read", "interactions:write",
    "scores:read", "scores:write",
    "models:read", "models:write",
    "campaigns:read", "campaigns:write",
    "webhooks:read", "webhooks:write",
    "pii:read",
    "ops",
    "admin",
]  # fmt: skip

SCOPES: tuple[str, ...] = get_args(Scope)
ADMIN = "admin"


def lacking(held: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Which of the wanted scopes a holder lacks; `admin` has them all."""
    owned = frozenset(held)
    return [] if ADMIN in owned else sorted(frozenset(wanted) - owned)
