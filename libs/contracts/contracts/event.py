"""The base of every event and the values several events share."""

from decimal import Decimal
from typing import Annotated, ClassVar, Literal, NewType
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

CustomerId = NewType("CustomerId", UUID)
InteractionId = NewType("InteractionId", UUID)
AlertId = NewType("AlertId", UUID)
DecisionId = NewType("DecisionId", UUID)

# Money and other exact numbers are strings on the wire: a JSON number is a binary float to most readers.
Exact = Annotated[Decimal, PlainSerializer(lambda value: format(value, "f"), return_type=str, when_used="json")]

Channel = Literal[
    "store", "web", "app", "phone", "ivr", "email", "sms", "push", "chat", "social", "post", "visit", "partner"
]
InteractionKind = Literal[
    "purchase", "return", "payment", "invoice", "subscription", "cancellation", "usage", "visit", "contact",
    "complaint", "praise", "suggestion", "survey", "campaign_touch", "delivery_receipt",
]  # fmt: skip
ConsentState = Literal["granted", "denied", "revoked", "unknown"]
Band = Literal["low", "medium", "high"]
Tier = Literal["diamond", "gold", "silver", "iron", "lead"]
Stage = Literal["prospect", "acquisition", "growth", "mature", "decline", "lost", "won_back"]
ReasonCode = Literal[
    "silence", "falling_spend", "fewer_visits", "complaint", "late_payment", "price", "contract_end", "low_usage",
    "returns", "new_customer", "other",
]  # fmt: skip

# What our own system did to a customer: recorded and shown, but never a sign of life from the customer.
OWN_TOUCHES: frozenset[str] = frozenset({"campaign_touch", "delivery_receipt"})


class Value(BaseModel):
    """A frozen part of an event; unknown fields are ignored so that newer publishers can add some."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Money(Value):
    """An exact amount in an ISO 4217 currency."""

    amount: Exact
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Reason(Value):
    """One cause of a churn probability; `effect` is in log-odds."""

    code: ReasonCode
    feature: str
    value: float | str | None
    effect: float
    text: str


class Event(Value):
    """A past-tense fact about one subject.

    `wire_name` is the permanent CloudEvents type; `topic` the log it travels on; events of one `subject` keep order.
    """

    wire_name: ClassVar[str]
    topic: ClassVar[str]
    # Partners may subscribe to it through webhooks; local bookkeeping events are not offered.
    offered: ClassVar[bool] = True

    @property
    def subject(self) -> str:
        """The partition key: the customer the event is about, unless the event says otherwise."""
        return str(self.customer_id)  # type: ignore[attr-defined]


class CustomerEvent(Event):
    """An event about one customer."""

    customer_id: UUID


Instant = AwareDatetime
