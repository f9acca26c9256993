"""Scoring a batch: load, believe, compare with what was told, store, tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.consumer import Received
from chassis.database import raw_connection
from chassis.outbox import publish
from contracts.event import Money, Reason
from contracts.scoring import ChurnAlertRaised, ChurnAlertUpdated, CustomerScored
from scoring.domain.alerts import AlertPolicy, Assessment, Belief, assess
from scoring.domain.churn import band_of
from scoring.domain.news import Before, Cause, is_news
from scoring.models import AlertRow, ScoreRow
from scoring.parts import ScoringParts
from scoring.repository import activity, alerts, customers, scores
from scoring.service.alert_cases import awake, cleared, followed, raised, state_of, told, told_cleared
from scoring.service.alert_policy import policy_of
from scoring.service.beliefs import Beliefs, Known, believe

# A probability that moved less is not told: partners and journals would drown in noise.
TOLD_CHANGE = 0.02
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class _Outcome:
    score: ScoreRow
    tell_score: bool
    alert: AlertRow | None
    alert_event: Any
    next_look_at: datetime


async def rescore(
    session: AsyncSession, parts: ScoringParts, causes: Mapping[UUID, Cause],
    *, received: Mapping[UUID, Received[Any]] | None = None,
) -> None:  # fmt: skip
    """Score customers (survivors only, whose locks the caller holds), each for its cause, and tell what changed."""
    if not causes:
        return
    connection = await raw_connection(session)
    now = parts.clock.business_now()
    ordered = sorted(causes)
    before = await scores.find_all(connection, ordered)
    beliefs = await believe_of(connection, parts, ordered, before=before, now=now)
    latest = await alerts.list_latest(connection, ordered)
    policy = (await policy_of(connection))[0]
    outcomes = [
        _decide(one, before.get(one.customer_id), latest.get(one.customer_id), cause=causes[one.customer_id],
                rules=_Rules(policy, parts.settings.currency, now))
        for one in beliefs
    ]  # fmt: skip
    await scores.save(connection, [one.score for one in outcomes], at=parts.clock.system_now())
    await alerts.save(connection, [one.alert for one in outcomes if one.alert is not None], at=parts.clock.system_now())
    await customers.plan_next_looks(connection, [(one.score.customer_id, one.next_look_at) for one in outcomes])
    if any(one.score.waiting_profit is not None for one in outcomes):
        await customers.wake_scheduler(connection)
    for one in outcomes:
        cause = (received or {}).get(one.score.customer_id)
        if one.tell_score:
            backfill = causes[one.score.customer_id] is Cause.HISTORY
            publish(session, score_event(one.score, parts.settings.currency), cause=cause, backfill=backfill)
        if one.alert_event is not None:
            publish(session, one.alert_event, cause=cause)


async def believe_of(
    connection: asyncpg.Connection,
    parts: ScoringParts,
    ordered: Sequence[UUID],
    *,
    before: Mapping[UUID, ScoreRow],
    now: datetime,
) -> list[Beliefs]:
    """Load what is known of customers and believe as of a business time."""
    members = await customers.list_members(connection, ordered)
    traits = await customers.list_traits(connection, ordered)
    table = await activity.load(connection, members, customers=ordered)
    root_of = {one: root for root in ordered for one in (root, *members.get(root, ()))}
    monthly: dict[UUID, float] = {}
    for customer, margin in (await activity.list_monthly_margins(connection, root_of, as_of=now)).items():
        monthly[root_of[customer]] = monthly.get(root_of[customer], 0.0) + margin
    known = Known(
        customers=ordered, activity=table, attributes={one: found[0] for one, found in traits.items()},
        monthly_margins=monthly, margin_assumed=frozenset(one for one, found in traits.items() if found[1]),
        stages={one: score.stage for one, score in before.items()},
    )  # fmt: skip
    serving = await parts.models.current(connection)
    return believe(known, serving, now=now, lost_after_days=parts.settings.lost_after.days)


@dataclass(frozen=True, slots=True)
class _Rules:
    policy: AlertPolicy
    currency: str
    now: datetime


def _decide(one: Beliefs, before: ScoreRow | None, alert: AlertRow | None, *, cause: Cause, rules: _Rules) -> _Outcome:
    stored, alert = alert, None if alert is None else awake(alert, rules.now)
    woken = alert is not None and stored is not None and alert.state != stored.state
    explained = one.probability >= rules.policy.clear_at or (alert is not None and alert.is_open)
    reasons = one.why() if explained else None
    score = score_of(one, before, policy=rules.policy, reasons=reasons, now=rules.now)
    assessment = assess(None if alert is None else state_of(alert), _belief(one, reasons), rules.policy, now=rules.now)
    if assessment.outcome == "raise":
        changed, event = _raise(score, assessment, before, cause=cause, rules=rules)
        if changed is None:
            score = replace(score, waiting_profit=assessment.expected_profit)
    else:
        changed, event = _follow(score, alert, assessment, woken=woken, rules=rules)
    tell = _is_worth_telling(before, score)
    if tell:
        score = replace(score, told_probability=score.probability)
    return _Outcome(score, tell, changed, event, _next_look(one, changed or alert, rules.now))


def score_of(
    one: Beliefs, before: ScoreRow | None, *, policy: AlertPolicy, reasons: list[Reason] | None, now: datetime
) -> ScoreRow:
    """The next score of a customer."""
    band = band_of(one.probability, medium_at=policy.clear_at, high_at=policy.raise_at)
    return ScoreRow(
        customer_id=one.customer_id, version=1 if before is None else before.version + 1, probability=one.probability,
        band=band, base=one.base, reasons=reasons, model=one.model, prior=one.prior, contractual=one.contractual,
        horizon_days=one.horizon_days, expected_margin=Decimal(one.expected_margin).quantize(_CENT),
        value_horizon_days=one.value_horizon_days, value_model=one.value_model, value_prior=one.value_prior,
        margin_assumed=one.margin_assumed, tier=one.tier, stage=one.stage, scored_at=now,
        told_probability=one.probability if before is None else before.told_probability,
    )  # fmt: skip


def _belief(one: Beliefs, reasons: Sequence[Reason] | None) -> Belief:
    return Belief(
        probability=one.probability, expected_margin=one.expected_margin, stage=one.stage, tier=one.tier,
        top_reason=reasons[0].code if reasons else None, horizon_days=one.horizon_days, cancelled=one.cancelled,
        prior=one.prior, margin_assumed=one.margin_assumed,
    )  # fmt: skip


def _raise(
    score: ScoreRow, assessment: Assessment, before: ScoreRow | None, *, cause: Cause, rules: _Rules
) -> tuple[AlertRow | None, Any]:
    """A new alert and its event; (None, None) when it has to wait for its turn."""
    waiting = before is not None and before.waiting_profit is not None
    previous = None if before is None else Before(before.probability, before.model, waiting, before.prior)
    news = is_news(cause, previous, probability=score.probability, model=score.model)
    if not news and cause is not Cause.TURN:
        return None, None
    fresh = raised(score, assessment, score.reasons or [], from_history=not news, now=rules.now)
    return fresh, told(ChurnAlertRaised, fresh, currency=rules.currency)


def _follow(
    score: ScoreRow, alert: AlertRow | None, assessment: Assessment, *, woken: bool, rules: _Rules
) -> tuple[AlertRow | None, Any]:
    """The open alert's next row and the event that tells of it, if any."""
    reasons = score.reasons or []
    if alert is None or not alert.is_open:
        return None, None
    if assessment.outcome == "clear":
        ended = cleared(alert, cause=assessment.cause, at=rules.now)  # type: ignore[arg-type]
        ended = replace(ended, probability=score.probability)
        return ended, told_cleared(ended)
    tell = woken or assessment.outcome == "update"
    kept = followed(alert, score, assessment, reasons, tell=tell)
    return kept, told(ChurnAlertUpdated, kept, currency=rules.currency) if tell else None


def _is_worth_telling(before: ScoreRow | None, score: ScoreRow) -> bool:
    if before is None:
        return True
    moved = abs(score.probability - before.told_probability) >= TOLD_CHANGE
    known = (before.band, before.tier, before.stage, before.value_prior)
    return moved or known != (score.band, score.tier, score.stage, score.value_prior)


def _next_look(one: Beliefs, alert: AlertRow | None, now: datetime) -> datetime:
    """The start of the business day on which time alone may have changed the belief, or a snoozed alert wakes."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    look = midnight + timedelta(days=one.next_look_days)
    if alert is not None and alert.snoozed_until is not None:
        look = min(look, max(alert.snoozed_until, now))
    return look


def score_event(score: ScoreRow, currency: str) -> CustomerScored:
    """The event that tells of a score."""
    return CustomerScored(
        customer_id=score.customer_id, probability=score.probability, band=score.band, horizon_days=score.horizon_days,
        model=score.model, scored_at=score.scored_at, base=score.base, reasons=score.reasons or [],
        expected_margin=Money(amount=score.expected_margin, currency=currency),
        value_horizon_days=score.value_horizon_days, tier=score.tier, stage=score.stage,
        contractual=score.contractual, prior=score.prior, value_model=score.value_model, value_prior=score.value_prior,
        margin_assumed=score.margin_assumed, version=score.version,
    )  # fmt: skip
