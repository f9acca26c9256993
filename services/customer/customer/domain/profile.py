"""A profile and how it takes in what becomes known: every value knows its source and its time."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

IdentifierKind = Literal["external", "email", "phone"]
Scalar = str | bool | int | float
# The single-valued fields that a later record may fill but never overwrites.
FILLED_FIELDS = ("name", "country", "time_zone")
MOST_ATTRIBUTES = 200


class Key(NamedTuple):
    """What identifies: an id in a source, an e-mail address or a phone number (these have no source)."""

    kind: IdentifierKind
    source: str
    value: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from and when it became known."""

    source: str
    at: datetime

    def as_json(self) -> dict[str, str]:
        """The form it is kept in beside the value."""
        return {"source": self.source, "at": self.at.isoformat().replace("+00:00", "Z")}


@dataclass(frozen=True, slots=True)
class Identifier:
    """A key that belongs to a profile.

    A contact point that another profile was first to have is kept but not `identifying`: no two profiles are ever
    found by the same key.
    """

    key: Key
    identifying: bool
    origin: Origin


@dataclass(frozen=True, slots=True)
class Profile:
    """Who a customer is. `provenance` holds the origins of `kind`, the filled fields and each attribute."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    kind: Literal["person", "organisation"] = "person"
    name: str | None = None
    country: str | None = None
    time_zone: str | None = None
    attributes: dict[str, Scalar] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    identifiers: tuple[Identifier, ...] = ()
    tier_override: str | None = None
    stage_override: str | None = None
    version: int = 1

    def keys(self, kind: IdentifierKind) -> list[Key]:
        """The keys of one kind, in order."""
        return [identifier.key for identifier in self.identifiers if identifier.key.kind == kind]

    def values(self, kind: IdentifierKind) -> list[str]:
        """The values of one kind, in order."""
        return [key.value for key in self.keys(kind)]

    @property
    def contact(self) -> tuple[str | None, list[str], list[str]]:
        """What one needs to reach the customer."""
        return self.name, self.values("email"), self.values("phone")

    @property
    def search_text(self) -> str:
        """What a search looks into: a line for each value, each after a line break so that its beginning is marked."""
        found = [self.name or "", *(identifier.key.value for identifier in self.identifiers)]
        return "".join(f"\n{value}" for value in found).lower()


@dataclass(frozen=True, slots=True)
class Draft:
    """What a record says of a customer, in normal form. What it does not say is None or empty."""

    origin: Origin
    kind: Literal["person", "organisation"] | None = None
    name: str | None = None
    country: str | None = None
    time_zone: str | None = None
    attributes: dict[str, Scalar] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()

    def keys_of(self, kind: IdentifierKind) -> list[Key]:
        """The keys of one kind, in order."""
        return [key for key in self.keys if key.kind == kind]


def absorb(profile: Profile, draft: Draft) -> Profile:
    """Fill what is missing; what is known already stays. The same profile when the draft tells nothing new."""
    origin = draft.origin.as_json()
    filled: dict[str, Any] = {
        name: getattr(draft, name)
        for name in FILLED_FIELDS
        if getattr(profile, name) is None and getattr(draft, name) is not None
    }
    # A profile that began as an unknown interaction's is a person only for want of anything better.
    if draft.kind is not None and "kind" not in profile.provenance:
        filled["kind"] = draft.kind
    room = MOST_ATTRIBUTES - len(profile.attributes)
    missing = [name for name in draft.attributes if name not in profile.attributes]
    added = {name: draft.attributes[name] for name in missing[: max(room, 0)]}
    if not filled and not added:
        return profile
    provenance = profile.provenance | dict.fromkeys(filled, origin)
    if added:
        provenance["attributes"] = profile.provenance.get("attributes", {}) | dict.fromkeys(added, origin)
    return replace(profile, **filled, attributes=profile.attributes | added, provenance=provenance)


def with_identifiers(profile: Profile, added: list[Identifier]) -> Profile:
    """The profile with more identifiers, in order."""
    return replace(profile, identifiers=(*profile.identifiers, *added)) if added else profile


def changed(profile: Profile, *, now: datetime) -> Profile:
    """The profile as its next version."""
    return replace(profile, version=profile.version + 1, updated_at=now)
