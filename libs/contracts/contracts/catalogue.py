"""Every event there is, by its wire name, and every topic."""

from contracts import campaign, customer, interaction, scoring
from contracts.event import Event

EVENTS: tuple[type[Event], ...] = (
    customer.CustomerCreated,
    customer.CustomerUpdated,
    customer.CustomerMerged,
    customer.CustomerUnmerged,
    customer.CustomerErased,
    customer.ConsentChanged,
    customer.ContactChanged,
    interaction.InteractionRecorded,
    interaction.HistoryRecorded,
    scoring.CustomerScored,
    scoring.ChurnAlertRaised,
    scoring.ChurnAlertUpdated,
    scoring.ChurnAlertCleared,
    scoring.ModelPromoted,
    campaign.OfferChanged,
    campaign.ActionDecided,
    campaign.DeliverySucceeded,
    campaign.DeliveryFailed,
    campaign.WebhookEndpointDisabled,
)

BY_WIRE_NAME: dict[str, type[Event]] = {event.wire_name: event for event in EVENTS}
TOPICS: tuple[str, ...] = tuple(sorted({event.topic for event in EVENTS}))
PARTITION_COUNT = 12
