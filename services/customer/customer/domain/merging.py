"""Two profiles become one, and can become two again.

A merge fills what the survivor lacks and notes exactly what it brought, so that undoing it takes away that and no
more: not what the survivor learnt since.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from customer.domain.profile import FILLED_FIELDS, Identifier, Key, Origin, Profile


@dataclass(frozen=True, slots=True)
class Brought:
    """What one profile brought into another, and how both were before."""

    values: dict[str, Any]
    attributes: dict[str, Any]
    added: list[Key]
    promoted: list[Key]
    identifiers: list[Identifier]
    origins: dict[str, Any]
    survivor_version: int
    survivor_updated_at: datetime

    def as_json(self) -> dict[str, Any]:
        """The form it is kept in."""
        return {
            "values": self.values,
            "attributes": self.attributes,
            "added": [list(key) for key in self.added],
            "promoted": [list(key) for key in self.promoted],
            "identifiers": [
                [*one.key, one.identifying, one.origin.source, one.origin.at.isoformat()] for one in self.identifiers
            ],
            "origins": self.origins,
            "survivor_version": self.survivor_version,
            "survivor_updated_at": self.survivor_updated_at.isoformat(),
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Brought":
        """Read it back."""
        return cls(
            values=kept["values"],
            attributes=kept["attributes"],
            added=[Key(*key) for key in kept["added"]],
            promoted=[Key(*key) for key in kept["promoted"]],
            identifiers=[
                Identifier(Key(kind, source, value), identifying, Origin(known_from, datetime.fromisoformat(known_at)))
                for kind, source, value, identifying, known_from, known_at in kept["identifiers"]
            ],
            origins=kept["origins"],
            survivor_version=kept["survivor_version"],
            survivor_updated_at=datetime.fromisoformat(kept["survivor_updated_at"]),
        )


def merge(absorbed: Profile, survivor: Profile, *, now: datetime) -> tuple[Profile, Brought]:
    """The survivor with all that it lacked, and what that was."""
    values = {
        name: getattr(absorbed, name)
        for name in FILLED_FIELDS
        if getattr(survivor, name) is None and getattr(absorbed, name) is not None
    }
    if "kind" in absorbed.provenance and "kind" not in survivor.provenance:
        values["kind"] = absorbed.kind
    attributes = {key: value for key, value in absorbed.attributes.items() if key not in survivor.attributes}
    own = {identifier.key: identifier for identifier in survivor.identifiers}
    added = [identifier for identifier in absorbed.identifiers if identifier.key not in own]
    promoted = [
        one.key for one in absorbed.identifiers if one.identifying and one.key in own and not own[one.key].identifying
    ]
    brought = Brought(
        values=values, attributes=attributes, added=[one.key for one in added], promoted=promoted,
        identifiers=list(absorbed.identifiers), origins=absorbed.provenance,
        survivor_version=survivor.version + 1, survivor_updated_at=survivor.updated_at,
    )  # fmt: skip
    merged = replace(
        survivor, **values,
        attributes=survivor.attributes | attributes,
        provenance=_joined_origins(survivor.provenance, absorbed.provenance, values, attributes),
        identifiers=(*_marked(survivor.identifiers, promoted, identifying=True), *added),
        version=survivor.version + 1, updated_at=now,
    )  # fmt: skip
    return merged, brought


def unmerge(survivor: Profile, brought: Brought, *, now: datetime) -> Profile:
    """The survivor without what the merge brought, unless it was changed since."""
    values: dict[str, Any] = {
        name: ("person" if name == "kind" else None)
        for name, value in brought.values.items()
        if getattr(survivor, name) == value and survivor.provenance.get(name) == brought.origins.get(name)
    }
    origins, brought_origins = survivor.provenance.get("attributes", {}), brought.origins.get("attributes", {})
    leaving = {
        key
        for key, value in brought.attributes.items()
        if survivor.attributes.get(key) == value and origins.get(key) == brought_origins.get(key)
    }
    kept_origins = {key: origin for key, origin in origins.items() if key not in leaving}
    provenance = {name: origin for name, origin in survivor.provenance.items() if name not in values}
    provenance.pop("attributes", None)
    untouched = survivor.version == brought.survivor_version
    return replace(
        survivor, **values,
        attributes={key: value for key, value in survivor.attributes.items() if key not in leaving},
        provenance=provenance | ({"attributes": kept_origins} if kept_origins else {}),
        identifiers=tuple(
            one for one in _marked(survivor.identifiers, brought.promoted, identifying=False)
            if one.key not in brought.added
        ),
        version=survivor.version + 1, updated_at=brought.survivor_updated_at if untouched else now,
    )  # fmt: skip


def _joined_origins(
    own: dict[str, Any], other: dict[str, Any], values: dict[str, Any], attributes: dict[str, Any]
) -> dict[str, Any]:
    joined = own | {name: other[name] for name in values if name in other}
    theirs = other.get("attributes", {})
    brought = {key: theirs[key] for key in attributes if key in theirs}
    return joined | ({"attributes": own.get("attributes", {}) | brought} if brought else {})


def _marked(identifiers: tuple[Identifier, ...], keys: list[Key], *, identifying: bool) -> tuple[Identifier, ...]:
    return tuple(replace(one, identifying=identifying) if one.key in keys else one for one in identifiers)
