"""Partner endpoints and deliveries over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from campaign.repository.query import Row
from campaign.schemas.decisions import DeliveryState
from chassis.api import StrictModel

Pattern = Annotated[str, Field(min_length=1, max_length=100, examples=["scoring.churn_alert_raised.*"])]


class EndpointTerms(StrictModel):
    """Where a partner wants to be told of what."""

    url: str = Field(min_length=1, max_length=2000, examples=["https://partner.example/hooks/stave"])
    event_types: list[Pattern] = Field(min_length=1, max_length=50)
    payload: Literal["full", "thin"] = Field("full", description="thin: the envelope without `data`")
    include_hold_out: bool = Field(
        False, description="Also alerts of customers in a control group; spoils the comparison"
    )


class EndpointView(EndpointTerms):
    """An endpoint."""

    id: UUID
    owner: str
    state: Literal["enabled", "disabled"]
    disabled_cause: str | None
    failing_since: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class EndpointWithSecret(EndpointView):
    """An endpoint and the secret that signs for it, which is shown this once."""

    secret: str | None


class RecoverTerms(StrictModel):
    """Which deliveries are sent again, with the ids they had: of events from `since` until before `until`."""

    since: AwareDatetime
    until: AwareDatetime | None = Field(None, description="Without it, up to now")
    states: list[DeliveryState] = Field(
        default=["failed"], min_length=1, max_length=3, description="With `succeeded`, a range is replayed"
    )


class Recovered(BaseModel):
    """How many deliveries are tried again."""

    count: int


class Accepted(BaseModel):
    """A delivery that is on its way."""

    delivery_id: UUID


class AttemptView(BaseModel):
    """One try."""

    at: datetime
    status: int | None
    duration_ms: int
    error: str | None
    response: str | None


class DeliveryView(BaseModel):
    """One event on its way to one endpoint."""

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: str
    customer_id: UUID | None
    decision_id: UUID | None
    state: DeliveryState
    attempts: list[AttemptView]
    next_attempt_at: datetime | None
    created_at: datetime
    updated_at: datetime


def endpoint_view(row: Row) -> dict[str, Any]:
    """An endpoint as it is shown."""
    return {name: row[name] for name in EndpointView.model_fields}


def delivery_view(row: Row, attempts: list[Row]) -> dict[str, Any]:
    """A delivery as it is shown."""
    return dict(row) | {"attempts": [dict(attempt) for attempt in attempts]}
