"""A customer's rights: a copy of their data, and to be forgotten."""

from datetime import datetime
from uuid import UUID

from fastapi import Response

from chassis.api import Router
from chassis.database import raw_connection
from chassis.dependencies import ReadSession, WriteSession, requires
from contracts.event import OWN_TOUCHES
from customer.endpoints.answers import SEE_PERSONAL_DATA, found, json_answer
from customer.parts import Parts
from customer.repository import merges, reading
from customer.schemas import Export, JobAccepted
from customer.service import erasure

router = Router(prefix="/v1/customers/{customer_id}")
_MOST_MERGES = 1000


@router.get("/export", response_model=Export, dependencies=[requires("customers:read", SEE_PERSONAL_DATA)])
async def export_customer(customer_id: UUID, session: ReadSession, parts: Parts) -> Response:
    """Export all that this service holds about a customer."""
    connection = await raw_connection(session)
    now: datetime = parts.clock.business_now()
    overview = found(
        await reading.find_360(connection, customer_id, own_touches=sorted(OWN_TOUCHES), as_of=now), customer_id
    )
    consents = await reading.find_consents(connection, customer_id, default=parts.settings.consent_default)
    history = await reading.find_standing_history(connection, customer_id)
    merged = await merges.list_merges(connection, customer_id=customer_id, after=None, limit=_MOST_MERGES)
    exported_at = parts.clock.system_now().isoformat().replace("+00:00", "Z")
    return json_answer(
        f'{{"overview":{overview.body},"consents":{consents},"standing_history":{history},'
        f'"merges":[{",".join(row["body"] for row in merged)}],"exported_at":"{exported_at}"}}'
    )


@router.post("/erase", status_code=202, response_model=JobAccepted, dependencies=[requires("customers:write")])
async def erase_customer(customer_id: UUID, session: WriteSession) -> JobAccepted:
    """Erase a customer here and in every other service; the job's result is the receipt."""
    job_id = await erasure.request_erasure(session, customer_id)
    return JobAccepted(id=job_id, kind=erasure.JOB_KIND)
