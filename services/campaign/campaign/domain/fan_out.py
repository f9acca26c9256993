"""Which endpoints an event goes to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from campaign.domain.patterns import wants


@dataclass(frozen=True, slots=True)
class Message:
    """An event on its way to partners; `body` is its envelope, byte for byte.

    `hold_out` marks what tells that a customer of a control group may leave; `only` names the one endpoint that an
    action is addressed to; the last three say which decision it carries out, if any.
    """

    event_id: UUID
    event_type: str
    body: bytes
    customer_id: UUID | None = None
    hold_out: bool = False
    only: UUID | None = None
    decision_id: UUID | None = None
    alert_id: UUID | None = None
    offer: str | None = None


def receivers(message: Message, endpoints: Iterable[Mapping[str, Any]]) -> list[UUID]:
    """The endpoints that asked for the event and may see it."""
    if message.only is not None:
        return [endpoint["id"] for endpoint in endpoints if endpoint["id"] == message.only]
    return [
        endpoint["id"]
        for endpoint in endpoints
        if wants(endpoint["event_types"], message.event_type) and (endpoint["include_hold_out"] or not message.hold_out)
    ]
