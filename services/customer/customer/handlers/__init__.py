"""What the customer service does with the events of the others."""

from chassis.consumer import Subscriptions
from contracts.campaign import ActionDecided, DeliveryFailed, DeliverySucceeded
from contracts.interaction import HistoryRecorded, InteractionRecorded
from contracts.scoring import ChurnAlertCleared, ChurnAlertRaised, ChurnAlertUpdated, CustomerScored
from customer.handlers.campaigns import on_actions_decided, on_deliveries_failed, on_deliveries_succeeded
from customer.handlers.interactions import on_history_recorded, on_interactions_recorded
from customer.handlers.scores import on_alerts_cleared, on_alerts_told, on_customers_scored

SUBSCRIPTIONS: Subscriptions = {
    InteractionRecorded: on_interactions_recorded,
    HistoryRecorded: on_history_recorded,
    CustomerScored: on_customers_scored,
    ChurnAlertRaised: on_alerts_told,
    ChurnAlertUpdated: on_alerts_told,
    ChurnAlertCleared: on_alerts_cleared,
    ActionDecided: on_actions_decided,
    DeliverySucceeded: on_deliveries_succeeded,
    DeliveryFailed: on_deliveries_failed,
}
