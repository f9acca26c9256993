"""What the customer service tells: who a customer is. Contact data travels on its own compacted topic."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import ConsentState, CustomerEvent, Instant, Stage, Tier, Value

AttributeValue = str | float | bool | None


class ExternalId(Value):
    """A customer's id in another system."""

    source: str
    id: str


class CustomerProfile(CustomerEvent):
    """The fields of a profile that other services may need; free of contact data."""

    topic: ClassVar[str] = "customer"
    kind: Literal["person", "organisation"] = "person"
    external_ids: list[ExternalId] = []
    country: str | None = None
    time_zone: str | None = None
    # A list of the customer's declared attributes; those declared personal are left out by the publisher.
    attributes: dict[str, AttributeValue] = {}
    # Set by a person; holds against what is scored until it is cleared.
    tier_override: Tier | None = None
    stage_override: Stage | None = None
    version: int
    created_at: Instant


class CustomerCreated(CustomerProfile):
    """A profile came to be, by the API, an import, or an interaction of somebody unknown."""

    wire_name: ClassVar[str] = "customer.created.v1"


class CustomerUpdated(CustomerProfile):
    """A profile changed; the event carries the whole new state."""

    wire_name: ClassVar[str] = "customer.updated.v1"


class CustomerMerged(CustomerEvent):
    """Two profiles proved to be one: `customer_id` (= from) lives on as `into`."""

    wire_name: ClassVar[str] = "customer.merged.v1"
    topic: ClassVar[str] = "customer"
    merge_id: UUID
    into: UUID
    external_ids: list[ExternalId] = []
    merged_at: Instant


class CustomerUnmerged(CustomerEvent):
    """A merge was undone: `customer_id` is itself again."""

    wire_name: ClassVar[str] = "customer.unmerged.v1"
    topic: ClassVar[str] = "customer"
    merge_id: UUID
    into: UUID
    external_ids: list[ExternalId] = []
    unmerged_at: Instant


class CustomerErased(CustomerEvent):
    """The customer's personal data must vanish everywhere."""

    wire_name: ClassVar[str] = "customer.erased.v1"
    topic: ClassVar[str] = "customer"
    erased_at: Instant


class ConsentChanged(CustomerEvent):
    """Consent for one channel and purpose took a new state."""

    wire_name: ClassVar[str] = "customer.consent_changed.v1"
    topic: ClassVar[str] = "customer"
    channel: str
    purpose: str
    state: ConsentState
    changed_at: Instant
    version: int


class ContactChanged(CustomerEvent):
    """The customer's present contact points; the only event with personal data, compacted by customer id."""

    wire_name: ClassVar[str] = "customer.contact_changed.v1"
    topic: ClassVar[str] = "customer-contact"
    offered: ClassVar[bool] = False
    name: str | None = None
    emails: Annotated[list[str], Field(max_length=50)] = []
    phones: Annotated[list[str], Field(max_length=50)] = []
    version: int
