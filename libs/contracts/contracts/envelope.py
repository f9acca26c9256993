"""CloudEvents 1.0 in JSON structured mode, with distributed tracing, correlation and causation extensions."""

from typing import Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.event import Event


class Envelope(BaseModel):
    """The outer form of every event (CloudEvents 1.0.2, JSON format; `partitionkey` and `traceparent` extensions).

    `correlationid` is the trace of the request that began the chain, `causationid` the event that led to this one.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str
    type: str
    subject: str
    partitionkey: str
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    traceparent: str | None = None
    correlationid: str | None = None
    causationid: UUID | None = None
    backfill: bool = False
    data: dict[str, Any]

    @classmethod
    def wrap(cls, event: Event, *, event_id: UUID, source: str, time: AwareDatetime, **context: Any) -> Self:
        """Wrap an event; `context` takes traceparent, correlationid, causationid and backfill."""
        return cls(
            id=event_id, source=f"stave/{source}", type=event.wire_name, subject=event.subject,
            partitionkey=event.subject, time=time, dataschema=f"stave:events/{event.wire_name}",
            data=event.model_dump(mode="json"), **context,
        )  # fmt: skip
