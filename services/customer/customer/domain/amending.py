"""What a person changes on a profile by hand (JSON Merge Patch, RFC 7396): null removes, a list replaces the list."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from customer.domain.profile import Identifier, Key, Origin, Profile

_CONTACTS = {"emails": "email", "phones": "phone"}
_OVERRIDES = {"tier": "tier_override", "stage": "stage_override"}


def contact_keys(changes: Mapping[str, Any]) -> list[Key]:
    """The keys that the profile would like to have."""
    return [
        Key(kind, "", value)  # type: ignore[arg-type]
        for name, kind in _CONTACTS.items()
        for value in changes.get(name) or ()
    ]


def amend(profile: Profile, changes: Mapping[str, Any], *, origin: Origin, taken: Collection[Key]) -> Profile:
    """The profile with changes applied; an equal one when they change nothing.

    `taken` are the keys that identify other customers: they are kept as contact points, but do not identify this one.
    """
    plain = {name: changes[name] for name in ("kind", "name", "country", "time_zone") if name in changes}
    overrides = {field: changes[name] for name, field in _OVERRIDES.items() if name in changes}
    attributes, attribute_origins = _amended_attributes(profile, changes.get("attributes", {}), origin)
    provenance = dict(profile.provenance)
    for name, value in plain.items():
        if value is None:
            provenance.pop(name, None)
        elif value != getattr(profile, name) or name not in provenance:
            provenance[name] = origin.as_json()
    provenance.pop("attributes", None)
    if attribute_origins:
        provenance["attributes"] = attribute_origins
    identifiers = profile.identifiers
    for name, kind in _CONTACTS.items():
        if name in changes:
            identifiers = _replaced(identifiers, kind, changes[name] or (), origin=origin, taken=taken)
    return replace(
        profile, **plain, **overrides, attributes=attributes, provenance=provenance, identifiers=identifiers
    )  # fmt: skip


def _amended_attributes(
    profile: Profile, changes: Mapping[str, Any] | None, origin: Origin
) -> tuple[dict[str, Any], dict[str, Any]]:
    if changes is None:
        return {}, {}
    attributes, origins = dict(profile.attributes), dict(profile.provenance.get("attributes", {}))
    for name, value in changes.items():
        if value is None:
            attributes.pop(name, None)
            origins.pop(name, None)
        elif name not in attributes or attributes[name] != value:
            attributes[name] = value
            origins[name] = origin.as_json()
    return attributes, origins


def _replaced(
    identifiers: tuple[Identifier, ...], kind: str, values: Collection[str], *, origin: Origin, taken: Collection[Key]
) -> tuple[Identifier, ...]:
    """The identifiers with those of one kind replaced; one that stays keeps its origin."""
    present = {identifier.key: identifier for identifier in identifiers}
    wanted = [Key(kind, "", value) for value in dict.fromkeys(values)]  # type: ignore[arg-type]
    return (
        *(identifier for identifier in identifiers if identifier.key.kind != kind),
        *(present.get(key) or Identifier(key, key not in taken, origin) for key in wanted),
    )
