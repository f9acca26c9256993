"""Playbooks over HTTP."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from campaign.repository.query import Row
from campaign.schemas.money import Price
from campaign.schemas.offers import OfferKey
from chassis.api import StrictModel
from contracts.event import ReasonCode, Stage, Tier

LocalTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["21:00"])]


class MatchTerms(StrictModel):
    """For whom; an empty list matches all."""

    stages: list[Stage] = Field([], max_length=20)
    tiers: list[Tier] = Field([], max_length=20)
    reasons: list[ReasonCode] = Field([], max_length=20, description="At least one of them raises the probability")
    min_probability: float = Field(0.0, ge=0, le=1)


class ActionTerms(StrictModel):
    """What to do."""

    channel: Literal["webhook", "email", "phone"]
    offer: OfferKey | None = None
    endpoint_id: UUID | None = Field(None, description="The one partner endpoint it goes to; null: all that subscribed")
    subject: str | None = Field(None, max_length=500, description="Of an e-mail; a Jinja template")
    body: str | None = Field(None, max_length=50_000, description="Of an e-mail; a Jinja template")


class CapTerms(StrictModel):
    """At most `count` actions per customer in any `days` days, those of other playbooks counted too."""

    count: int = Field(ge=1, le=1000)
    days: int = Field(ge=1, le=366)


class QuietHoursTerms(StrictModel):
    """Local time of the customer in which nothing is sent; may span midnight."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: LocalTime = Field(alias="from")
    to: LocalTime


class BudgetTerms(Price):
    """What may be spent per calendar period."""

    period: Literal["day", "week", "month"]


class PlaybookTerms(StrictModel):
    """A rule: whom it is for, what it does, within which limits."""

    name: str = Field(min_length=1, max_length=200, examples=["Silent gold"])
    priority: int = Field(100, ge=-1_000_000, le=1_000_000, description="The highest that matches wins")
    active: bool = True
    match: MatchTerms = MatchTerms()
    action: ActionTerms
    hold_out_share: float = Field(0.0, ge=0, le=1, description="Share of customers who are left alone, for comparison")
    cap: CapTerms | None = None
    quiet_hours: QuietHoursTerms | None = None
    budget: BudgetTerms | None = None


class PlaybookView(PlaybookTerms):
    """A playbook."""

    id: UUID
    version: int
    created_at: datetime
    updated_at: datetime


def rule_of(terms: PlaybookTerms) -> dict[str, object]:
    """What is stored as the rule."""
    return terms.model_dump(mode="json", by_alias=True, exclude={"name", "priority", "active"})


def playbook_view(row: Row) -> PlaybookView:
    """A playbook as it is shown."""
    fields = {name: row[name] for name in ("id", "name", "priority", "active", "version", "created_at", "updated_at")}
    return PlaybookView.model_validate(fields | row["rule"])


def terms_of(row: Row) -> PlaybookTerms:
    """A playbook as it can be changed."""
    return PlaybookTerms.model_validate({name: row[name] for name in ("name", "priority", "active")} | row["rule"])
