"""What the campaign service tells: what we decided and what became of it."""

from typing import ClassVar
from uuid import UUID

from contracts.event import CustomerEvent, Event, Instant, Money, Reason, Stage, Tier, Value


class OfferChanged(Event):
    """An offer was made, changed or retired; the event carries the whole new state."""

    wire_name: ClassVar[str] = "campaign.offer_changed.v1"
    topic: ClassVar[str] = "campaign"
    key: str
    name: str
    kind: str
    cost: Money
    save_rate: float | None = None
    active: bool
    version: int

    @property
    def subject(self) -> str:
        """Order is kept per offer."""
        return f"offer-{self.key}"


class DecidedAction(Value):
    """What was decided to be done."""

    channel: str
    offer: str | None = None
    offer_name: str | None = None
    offer_cost: Money | None = None
    subject: str | None = None
    endpoint_id: UUID | None = None


class ActionDecided(CustomerEvent):
    """A retention action passed every gate and will be carried out."""

    wire_name: ClassVar[str] = "campaign.action_decided.v1"
    topic: ClassVar[str] = "campaign"
    decision_id: UUID
    alert_id: UUID | None = None
    playbook: str
    action: DecidedAction
    probability: float
    expected_profit: Money
    reasons: list[Reason]
    tier: Tier
    stage: Stage
    decided_at: Instant


class DeliverySucceeded(CustomerEvent):
    """A message reached its endpoint."""

    wire_name: ClassVar[str] = "campaign.delivery_succeeded.v1"
    topic: ClassVar[str] = "campaign"
    delivery_id: UUID
    decision_id: UUID | None = None
    alert_id: UUID | None = None
    channel: str
    offer: str | None = None
    attempt_count: int
    delivered_at: Instant


class DeliveryFailed(CustomerEvent):
    """A message was given up."""

    wire_name: ClassVar[str] = "campaign.delivery_failed.v1"
    topic: ClassVar[str] = "campaign"
    delivery_id: UUID
    decision_id: UUID | None = None
    alert_id: UUID | None = None
    channel: str
    attempt_count: int
    error: str
    failed_at: Instant


class WebhookEndpointDisabled(Event):
    """An endpoint receives nothing any more, until somebody enables it."""

    wire_name: ClassVar[str] = "campaign.webhook_endpoint_disabled.v1"
    topic: ClassVar[str] = "campaign"
    endpoint_id: UUID
    cause: str
    disabled_at: Instant

    @property
    def subject(self) -> str:
        """Order is kept per endpoint."""
        return f"endpoint-{self.endpoint_id}"
