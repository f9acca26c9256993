"""Profiles as the events that tell of them; no event but `ContactChanged` carries contact data."""

from typing import Any

from contracts.customer import ContactChanged, CustomerCreated, CustomerUpdated, ExternalId
from customer.domain.profile import Profile
from customer.settings import CustomerSettings


def created(profile: Profile, settings: CustomerSettings) -> CustomerCreated:
    """That a profile came to be."""
    return CustomerCreated(**_members(profile, settings))


def updated(profile: Profile, settings: CustomerSettings) -> CustomerUpdated:
    """That a profile changed."""
    return CustomerUpdated(**_members(profile, settings))


def contact_changed(profile: Profile) -> ContactChanged:
    """How a customer can be reached now."""
    name, emails, phones = profile.contact
    return ContactChanged(
        customer_id=profile.id, name=name, emails=emails[:50], phones=phones[:50], version=profile.version
    )


def external_ids(profile: Profile) -> list[ExternalId]:
    """A profile's ids in other systems."""
    return [ExternalId(source=key.source, id=key.value) for key in profile.keys("external")]


def _members(profile: Profile, settings: CustomerSettings) -> dict[str, Any]:
    personal = settings.personal_attributes
    return {
        "customer_id": profile.id,
        "kind": profile.kind,
        "external_ids": external_ids(profile),
        "country": profile.country,
        "time_zone": profile.time_zone,
        "attributes": {name: value for name, value in profile.attributes.items() if name not in personal},
        "tier_override": profile.tier_override,
        "stage_override": profile.stage_override,
        "version": profile.version,
        "created_at": profile.created_at,
    }
