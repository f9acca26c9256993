"""Decisions and actions over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from campaign.repository import customers as customer_rows
from campaign.repository import decisions as decision_rows
from campaign.repository import deliveries as delivery_rows
from campaign.schemas.decisions import ActionView, DecisionStory, DecisionView, Outcome, decision_view
from chassis.api import Router
from chassis.cursors import DEFAULT_LIMIT, Cursor, Limit, Page, decode_cursor, encode_cursor
from chassis.dependencies import ReadSession, requires

router = Router()


class DecisionFilter(BaseModel):
    """Which decisions."""

    model_config = ConfigDict(extra="forbid")

    customer_id: UUID | None = None
    campaign_id: UUID | None = None
    outcome: Outcome | None = None


@router.get("/v1/decisions", dependencies=[requires("campaigns:read")])
async def list_decisions(
    session: ReadSession, customer_id: UUID | None = None,
    campaign_id: Annotated[UUID | None, Query(description="The playbook's id")] = None,
    outcome: Outcome | None = None, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT,
) -> Page[DecisionView]:  # fmt: skip
    """List decisions, the newest first; a merged customer's are found under the survivor."""
    asked = DecisionFilter(customer_id=customer_id, campaign_id=campaign_id, outcome=outcome)
    rows, following = await _page(session, asked, cursor, limit)
    return Page(items=[DecisionView.model_validate(decision_view(row)) for row in rows], next_cursor=following)


@router.get("/v1/decisions/{decision_id}", dependencies=[requires("campaigns:read")])
async def get_decision(decision_id: UUID, session: ReadSession) -> DecisionStory:
    """Tell a decision's whole story: the alert as it was, every gate with what it looked at, and what came of it."""
    row = await decision_rows.get_decision(session, decision_id)
    told = decision_view(row) | {
        "deliveries": [dict(one) for one in await delivery_rows.list_deliveries_of(session, [decision_id])],
        "decisions_of_alert": await decision_rows.list_decisions_of_alert(session, row["alert_id"]),
    }
    return DecisionStory.model_validate(told)


@router.get("/v1/actions", dependencies=[requires("campaigns:read")])
async def list_actions(
    session: ReadSession, customer_id: UUID | None = None, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[ActionView]:
    """List what was done, the newest first, and how far each delivery is."""
    rows, following = await _page(session, DecisionFilter(customer_id=customer_id, outcome="act"), cursor, limit)
    deliveries = await delivery_rows.list_deliveries_of(session, [row["id"] for row in rows])
    items = [
        decision_view(row) | {"deliveries": [dict(one) for one in deliveries if one["decision_id"] == row["id"]]}
        for row in rows
    ]
    return Page(items=[ActionView.model_validate(item) for item in items], next_cursor=following)


async def _page(
    session: AsyncSession, asked: DecisionFilter, cursor: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    before = decode_cursor(cursor, UUID)[0] if cursor else None
    family = None if asked.customer_id is None else await customer_rows.family_of(session, asked.customer_id)
    rows = await decision_rows.list_decisions(
        session, customer_ids=family, campaign_id=asked.campaign_id, outcome=asked.outcome, page=(before, limit + 1)
    )
    return rows[:limit], encode_cursor([rows[limit - 1]["id"]]) if len(rows) > limit else None
