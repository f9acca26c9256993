"""Reading scores: the stored one with its reasons, or one made on the spot for who has none yet."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import raw_connection
from contracts.event import Money
from scoring.domain.activity import day_number
from scoring.domain.features import FEATURE_NAMES, compute_features
from scoring.errors import CustomerDoesNotExist
from scoring.models import ScoreRow
from scoring.parts import ScoringParts
from scoring.repository import activity, customers, scores
from scoring.schemas import Churn, Scores, Worth
from scoring.service.alert_policy import policy_of
from scoring.service.rescore import believe_of, score_of


async def scores_of(session: AsyncSession, parts: ScoringParts, customer: UUID) -> Scores:
    """All that is believed of a customer. Raises CustomerDoesNotExist."""
    connection = await raw_connection(session)
    survivor = (await customers.resolve(connection, [customer]))[customer]
    if not await customers.is_known(connection, survivor):
        raise CustomerDoesNotExist(f"No customer has the id {customer}.")
    score = (await scores.find_all(connection, [survivor])).get(survivor)
    if score is None or score.reasons is None:
        score = await _explained(session, parts, survivor, score)
    body = body_of(score, parts.settings.currency)
    body.merged_from = customer if customer != survivor else None
    return body


async def _explained(session: AsyncSession, parts: ScoringParts, customer: UUID, score: ScoreRow | None) -> ScoreRow:
    """A score with its reasons, as of when it was made; made now if there is none."""
    connection = await raw_connection(session)
    now = parts.clock.business_now() if score is None else score.scored_at
    before = {} if score is None else {customer: score}
    belief = (await believe_of(connection, parts, [customer], before=before, now=now))[0]
    policy = (await policy_of(connection))[0]
    fresh = score_of(belief, None, policy=policy, reasons=belief.why(), now=now)
    return fresh if score is None else replace(fresh, version=score.version, tier=score.tier, stage=score.stage)


def body_of(score: ScoreRow, currency: str) -> Scores:
    """A score as the API shows it."""
    return Scores(
        customer_id=score.customer_id,
        churn=Churn(
            probability=score.probability, band=score.band, horizon_days=score.horizon_days, model=score.model,
            scored_at=score.scored_at, base=score.base, reasons=score.reasons or [], contractual=score.contractual,
            prior=score.prior,
        ),
        value=Worth(
            expected_margin=Money(amount=score.expected_margin.quantize(Decimal("0.01")), currency=currency),
            horizon_days=score.value_horizon_days, tier=score.tier, model=score.value_model, prior=score.value_prior,
            margin_assumed=score.margin_assumed,
        ),
        stage=score.stage, version=score.version,
    )  # fmt: skip


async def feature_lines(parts: ScoringParts, as_of: date) -> AsyncIterator[bytes]:
    """The training set as NDJSON: a line per customer with the features at the end of a day."""
    after: UUID | None = None
    async with parts.database.read() as session:
        connection = await raw_connection(session)
        while page := await customers.list_survivors(connection, after=after, limit=activity.PAGE):
            members = await customers.list_members(connection, page)
            table = await activity.load(connection, members, customers=page)
            features = compute_features(table, day_number(as_of))
            yield b"".join(_line(customer, row, as_of) for customer, row in zip(page, features, strict=True))
            after = page[-1]


def _line(customer: UUID, row: np.ndarray, as_of: date) -> bytes:
    numbers = [value if np.isfinite(value) else None for value in row.tolist()]
    features = dict(zip(FEATURE_NAMES, numbers, strict=True))
    return json.dumps({"customer_id": str(customer), "as_of": as_of.isoformat(), "features": features}).encode() + b"\n"
