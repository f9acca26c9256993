"""The bodies of the gateway's own routes."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from chassis.routing import StrictModel
from gateway.scopes import Scope

ServiceName = Literal["customer", "interaction", "scoring", "campaign"]


class IssueKey(StrictModel):
    """A key to be made."""

    name: Annotated[str, Field(min_length=1, max_length=200, description="Whose key it is, for people")]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=20, description="At most what your own key has")]
    expires_at: Annotated[AwareDatetime | None, Field(description="When it stops working; never, if null")] = None


class Key(BaseModel):
    """A key without its secret, which is not kept."""

    id: UUID
    name: str
    prefix: Annotated[str, Field(description="The part of the key that is not secret: `stv_<prefix>.…`")]
    scopes: list[str]
    created_by: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class IssuedKey(Key):
    """A key that was just made."""

    key: Annotated[str, Field(description="The key itself: shown now and never again")]


class SetClock(StrictModel):
    """The business time to be, in every service."""

    at: AwareDatetime


class ClockReading(BaseModel):
    """Both clocks, and how far each service is."""

    business_now: Annotated[datetime, Field(description="The time that every service has reached")]
    system_now: datetime
    services: dict[str, datetime]
