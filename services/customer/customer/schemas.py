"""Bodies of requests and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, StringConstraints, ValidationInfo, model_validator

from chassis.api import StrictModel
from contracts.event import Channel, ConsentState, Stage, Tier
from customer import normal_forms
from customer.domain.consents import Statement
from customer.domain.profile import MOST_ATTRIBUTES, Draft, Key, Origin

_EXACT_INTEGER = 2**53

Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(normal_forms.one_line)
]
SourceName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(normal_forms.one_line)
]
Kind = Literal["person", "organisation"]


def _phone(value: str, validation: ValidationInfo) -> str:
    return normal_forms.phone(value, country=validation.data.get("country"))


def _scalar(value: str | bool | int | float) -> str | bool | int | float:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("must not contain the character U+0000")
    if isinstance(value, int) and abs(value) > _EXACT_INTEGER:
        raise ValueError("is beyond what readers of JSON take exactly (2^53); send it as a string")
    return value


Email = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254), AfterValidator(normal_forms.email)
]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=40), AfterValidator(_phone)]
Country = Annotated[str, StringConstraints(min_length=2, max_length=2), AfterValidator(normal_forms.country)]
TimeZone = Annotated[str, StringConstraints(min_length=2, max_length=64), AfterValidator(normal_forms.time_zone)]
Scalar = Annotated[Annotated[str, Field(max_length=1000)] | bool | int | float, AfterValidator(_scalar)]
AttributeName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(normal_forms.one_line)
]
Attributes = Annotated[dict[AttributeName, Scalar | None], Field(max_length=MOST_ATTRIBUTES)]


class ExternalIdBody(StrictModel):
    """A customer's id in another system."""

    source: SourceName
    id: Annotated[Line, AfterValidator(normal_forms.external_id)]


class ConsentBody(StrictModel):
    """What a customer said about being contacted; without `at`, they say it now."""

    channel: Channel
    purpose: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,49}$")] = "marketing"
    state: ConsentState
    at: AwareDatetime | None = None
    proof: Annotated[str, Field(max_length=2000)] | None = None

    def statement(self, source: str) -> Statement:
        """The statement, by whom it was passed on."""
        return Statement(self.channel, self.purpose, self.state, source, self.at, self.proof)


class ConsentsBody(StrictModel):
    """Consents to set; those not named stay as they are."""

    consents: Annotated[list[ConsentBody], Field(min_length=1, max_length=100)]


class CustomerBody(StrictModel):
    """A record about a customer, from anywhere. It needs something to know the customer by."""

    kind: Kind | None = None
    source: SourceName | None = None
    external_ids: Annotated[list[ExternalIdBody], Field(max_length=50)] = []
    name: Line | None = None
    # Before the phones, which it tells how to read.
    country: Country | None = None
    emails: Annotated[list[Email], Field(max_length=50)] = []
    phones: Annotated[list[Phone], Field(max_length=50)] = []
    time_zone: TimeZone | None = None
    attributes: Attributes = {}
    consents: Annotated[list[ConsentBody], Field(max_length=100)] = []

    @model_validator(mode="after")
    def _knows_somebody(self) -> Self:
        if not (self.external_ids or self.emails or self.phones or self.name):
            raise ValueError("needs at least one of external_ids, emails, phones and name")
        return self

    @property
    def known_from(self) -> str:
        """The system that says all this."""
        return self.source or (self.external_ids[0].source if self.external_ids else "api")

    def draft(self, at: datetime) -> Draft:
        """The record as the domain takes it."""
        return Draft(
            origin=Origin(self.known_from, at),
            kind=self.kind,
            name=self.name,
            country=self.country,
            time_zone=self.time_zone,
            attributes={name: value for name, value in self.attributes.items() if value is not None},
            keys=(
                *(Key("external", one.source, one.id) for one in self.external_ids),
                *(Key("email", "", address) for address in self.emails),
                *(Key("phone", "", number) for number in self.phones),
            ),
        )

    def statements(self) -> list[Statement]:
        """The consents as the domain takes them."""
        return [consent.statement(self.known_from) for consent in self.consents]


class CustomerPatch(StrictModel):
    """A JSON merge patch: what is not named stays, null clears, a list replaces the list.

    `tier` and `stage` overrule what is scored until they are cleared.
    """

    kind: Kind = "person"
    name: Line | None = None
    country: Country | None = None
    emails: Annotated[list[Email], Field(max_length=50)] | None = None
    phones: Annotated[list[Phone], Field(max_length=50)] | None = None
    time_zone: TimeZone | None = None
    attributes: Attributes | None = None
    tier: Tier | None = None
    stage: Stage | None = None


class MergeBody(StrictModel):
    """The profile to live on in."""

    into: UUID


class ValueOrigin(BaseModel):
    """Where a value came from and when it became known."""

    source: str
    at: datetime


class Provenance(BaseModel):
    """The origin of every value: lists go with the lists of the profile, `values` with its fields and attributes."""

    external_ids: list[ValueOrigin]
    emails: list[ValueOrigin]
    phones: list[ValueOrigin]
    values: dict[str, Any]


class Overrides(BaseModel):
    """What a person set instead of what is scored."""

    tier: Tier | None
    stage: Stage | None


class ExternalIdShown(BaseModel):
    """A customer's id in another system."""

    source: str
    id: str


class Profile(BaseModel):
    """A customer. Names, addresses and numbers are masked without the scope `pii:read`."""

    id: UUID
    kind: Kind
    name: str | None
    external_ids: list[ExternalIdShown]
    emails: list[str]
    phones: list[str]
    country: str | None
    time_zone: str | None
    attributes: dict[str, str | bool | int | float]
    tier: Tier | None
    stage: Stage | None
    overrides: Overrides
    provenance: Provenance
    created_at: datetime
    updated_at: datetime
    merged_from: UUID | None


class RegisteredProfile(Profile):
    """A customer and how the record found them; `possible_duplicates` are other customers it could mean."""

    matched_by: Literal["external_id", "email", "phone"] | None
    possible_duplicates: list[UUID]


class ConsentShown(BaseModel):
    """A consent in force."""

    channel: str
    purpose: str
    state: ConsentState
    at: datetime
    proof: str | None
    source: str


class ConsentSaid(ConsentShown):
    """One of the statements that led there."""

    recorded_at: datetime


class Consents(BaseModel):
    """Consents in force, what counts for the others, and all statements, newest first."""

    consents: list[ConsentShown]
    default: Literal["granted", "denied"]
    history: list[ConsentSaid]


class Overview(BaseModel):
    """All that is known about a customer."""

    profile: Profile
    stage: Stage | None
    tier: Tier | None
    scores: dict[str, Any] | None
    interactions: list[dict[str, Any]]
    counts: dict[str, int]
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    own_touches: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    actions: list[dict[str, Any]]
    consents: list[ConsentShown]
    as_of: datetime


class StandingChange(BaseModel):
    """A change of tier or stage."""

    measure: Literal["tier", "stage"]
    before: str | None
    after: str | None
    cause: str
    changed_at: datetime


class StandingHistory(BaseModel):
    """How tier and stage changed, newest first."""

    items: list[StandingChange]


class Merge(BaseModel):
    """`from` lives on in `into`, until it is undone."""

    id: UUID
    from_: UUID = Field(alias="from")
    into: UUID
    state: Literal["merged", "undone"]
    cause: Literal["request", "identity"]
    merged_at: datetime
    undone_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Export(BaseModel):
    """A customer's own data, complete."""

    overview: Overview
    consents: Consents
    standing_history: StandingHistory
    merges: list[Merge]
    exported_at: datetime


class PartError(BaseModel):
    """What is wrong with one part of an item."""

    pointer: str
    detail: str


class ItemError(BaseModel):
    """Why an item was refused."""

    code: str
    detail: str
    errors: list[PartError]


class ItemResult(BaseModel):
    """What became of one item: 201 new, 200 matched, 422 refused."""

    index: int
    status: int
    id: UUID | None
    duplicate: bool
    error: ItemError | None
    matched_by: Literal["external_id", "email", "phone"] | None = None
    possible_duplicates: list[UUID] = []


class BulkResult(BaseModel):
    """A result for each item, in order."""

    results: list[ItemResult]
    accepted: int
    rejected: int


class JobAccepted(BaseModel):
    """The job that was queued; `GET /v1/jobs/{id}` tells how it goes."""

    id: UUID
    service: str = "customer"
    kind: str
    state: Literal["queued"] = "queued"
