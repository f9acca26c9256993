"""What the HTTP API takes and gives."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from chassis.routing import StrictModel
from contracts.event import Band, Money, Reason, Stage, Tier

AlertStateName = Literal["open", "acted", "snoozed", "dismissed", "cleared"]
AlertOrder = Literal["-expected_profit", "-raised_at"]
ModelKind = Literal["churn", "value", "response", "uplift", "baskets", "segments", "contact-time"]
# An amount in the reporting currency may be given bare.
GivenAmount = Annotated[Decimal, Field(max_digits=15, decimal_places=2)]


class Churn(BaseModel):
    """The probability of leaving within the horizon; base plus all effects is its log-odds."""

    probability: float
    band: Band
    horizon_days: int
    model: str
    scored_at: datetime
    base: float
    reasons: list[Reason]
    contractual: bool
    prior: bool = Field(description="True while no trained model knows enough of this customer")


class Worth(BaseModel):
    """The margin expected of the horizon, discounted."""

    expected_margin: Money
    horizon_days: int
    tier: Tier
    model: str
    prior: bool = Field(description="True while no trained model stands behind the margin")
    margin_assumed: bool = Field(description="True when a margin rests on STAVE_MARGIN_RATE")


class Scores(BaseModel):
    """All that is believed of one customer."""

    customer_id: UUID
    merged_from: UUID | None = None
    churn: Churn
    value: Worth
    stage: Stage
    version: int


class Alert(BaseModel):
    """An open or past churn case."""

    id: UUID
    customer_id: UUID
    state: AlertStateName
    probability: float
    band: Band
    horizon_days: int
    model: str
    scored_at: datetime
    reasons: list[Reason]
    expected_margin: Money
    expected_profit: Money
    assumptions: dict[str, Any]
    recommended: str | None
    tier: Tier
    stage: Stage
    from_history: bool
    raised_at: datetime
    snoozed_until: datetime | None
    cleared_at: datetime | None
    clear_cause: str | None
    assignee: str | None
    notes: list[dict[str, Any]]
    version: int
    created_at: datetime
    updated_at: datetime


class Assign(StrictModel):
    """Who takes care of the alert; null for nobody."""

    assignee: Annotated[str, Field(min_length=1, max_length=200)] | None


class Note(StrictModel):
    """Something worth remembering about the case."""

    text: Annotated[str, Field(min_length=1, max_length=4000)]


class Snooze(StrictModel):
    """Until when the alert is put off; business time."""

    until: AwareDatetime


class Dismiss(StrictModel):
    """Why the alert is closed; kept as a note."""

    reason: Annotated[str, Field(max_length=4000)] = ""


class Policy(BaseModel):
    """When a churn alert is worth raising, and the assumptions its expected profit rests on."""

    save_rate: float
    action_cost: Money
    min_expected_profit: Money
    raise_at: float
    clear_at: float
    cool_down_days: int
    version: int


class ChangePolicy(StrictModel):
    """The whole policy; what is left out takes its default."""

    save_rate: Annotated[float, Field(ge=0, le=1)] = 0.10
    action_cost: Money | GivenAmount = Decimal("1.00")
    min_expected_profit: Money | GivenAmount = Decimal("0.00")
    raise_at: Annotated[float, Field(gt=0, le=1)] = 0.30
    clear_at: Annotated[float, Field(ge=0, lt=1)] = 0.20
    cool_down_days: Annotated[int, Field(ge=0, le=3650)] = 30


class Train(StrictModel):
    """How to train; everything has a default."""

    horizon_days: Annotated[int, Field(ge=1, le=1095)] | None = Field(
        None, description="Default 90 for churn, 365 for value"
    )
    as_of: date | None = Field(None, description="Learn only from what was known at the end of this day; default today")
    cuts: Annotated[list[date], Field(max_length=24)] | None = Field(
        None, description="Days at which the past is cut into before and after; default spread over the year before"
    )
    promote: bool = Field(True, description="Let the model serve as soon as it is trained")


class JobAccepted(BaseModel):
    """Long work was queued; look at /v1/jobs/{id}."""

    id: UUID
    kind: str
    state: Literal["queued"] = "queued"


class Model(BaseModel):
    """A trained model: how good it is, on what, and whether it serves."""

    id: UUID
    kind: str
    variant: str
    version: str
    state: Literal["candidate", "champion", "retired"]
    metrics: dict[str, Any]
    calibration: Any = None
    drift: Any = None
    window: Any = None
    report: dict[str, Any]
    parameters: dict[str, Any]
    data_hash: str
    sha256: str
    created_at: datetime
    updated_at: datetime
    promoted_at: datetime | None


class UploadModel(StrictModel):
    """A model trained by `stave train`, signed with this installation's key."""

    content: Annotated[str, Field(max_length=16_000_000, description="The artefact, base64")]
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    promote: bool = False


class AlertQuery(BaseModel):
    """Which alerts to list, and in what order."""

    state: AlertStateName | None = None
    customer_id: UUID | None = None
    order: AlertOrder = "-expected_profit"
    cursor: Annotated[str, Field(max_length=2000, description="`next_cursor` of the page before")] | None = None
    limit: Annotated[int, Field(ge=1, le=200, description="Items a page; at most 200")] = 50
