"""What operators see of sending and deciding."""

from collections.abc import Mapping

from prometheus_client import Counter, Histogram

from campaign.parts import CampaignParts
from campaign.repository import decisions as decision_rows
from campaign.repository import deliveries as delivery_rows
from chassis.service import Gauge

ATTEMPTS = Counter("delivery_attempts", "Attempts to deliver, by what they came to", ["channel", "verdict"])
ATTEMPT_SECONDS = Histogram(
    "delivery_attempt_seconds", "Duration of one attempt", ["channel"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)  # fmt: skip
DECISIONS = Counter("decisions", "Decisions about alerts, by outcome", ["outcome"])


def gauges_of(parts: CampaignParts) -> Mapping[str, Gauge]:
    """What waits to be done now."""

    async def due_deliveries() -> int:
        async with parts.database.read() as session:
            return await delivery_rows.count_due(session, now=parts.clock.system_now())

    async def due_decisions() -> int:
        async with parts.database.read() as session:
            return await decision_rows.count_due(session, now=parts.clock.business_now())

    return {"due_deliveries": due_deliveries, "due_decisions": due_decisions}
