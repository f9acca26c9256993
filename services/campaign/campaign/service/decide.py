"""Deciding about churn alerts: every evaluation becomes a decision with all its gates, at most one of them an act."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.domain.gates import Circumstances, Gate, Verdict, no_playbook, pass_gates, period_start
from campaign.domain.playbook import Case, Playbook, choose_playbook
from campaign.metrics import DECISIONS
from campaign.parts import CampaignParts, new_id
from campaign.repository import alerts as alert_rows
from campaign.repository import decisions as decision_rows
from campaign.repository import playbooks as playbook_rows
from campaign.service.carry_out import carry_out
from campaign.service.situation import Situation, case_from, load_situation
from chassis.database import after_commit
from chassis.trace import TraceContext, trace_from


@dataclass(frozen=True, slots=True)
class Question:
    """An alert to decide about: for whom by now, and which deferred decision waits for the answer."""

    alert: Mapping[str, Any]
    customer_id: UUID
    waits: UUID | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A question with what came of it."""

    question: Question
    decision_id: UUID
    case: Case
    playbook: Playbook | None
    verdict: Verdict

    @property
    def trace(self) -> TraceContext:
        """The trace of the alert's event."""
        alert = self.question.alert
        return trace_from(alert["traceparent"], alert["correlation_id"], UUID(str(alert["event_id"])))


async def decide(session: AsyncSession, questions: Sequence[Question], parts: CampaignParts) -> list[Answer]:
    """Decide about open alerts, write the decisions down, and have carried out what passed every gate.

    The caller has locked the alerts. Where money is short the most profitable come first; playbooks are taken in one
    order by everybody, so that two batches never wait for each other's budgets.
    """
    if not questions:
        return []
    situation = await load_situation(session, [question.customer_id for question in questions], parts)
    considered = [_consider(question, situation, parts) for question in questions]
    answers = []
    for question, case, playbook in sorted(considered, key=_turn):
        verdict = await _judge(session, case, playbook, situation, parts)
        answers.append(Answer(question, new_id(), case, playbook, verdict))
    await _write_down(session, answers, situation, parts)
    for answer in answers:
        after_commit(session, DECISIONS.labels(answer.verdict.outcome).inc)
    await carry_out(session, [answer for answer in answers if answer.verdict.outcome == "act"], situation, parts)
    return answers


Considered = tuple[Question, Case, Playbook | None]


def _consider(question: Question, situation: Situation, parts: CampaignParts) -> Considered:
    alert, customer = question.alert, situation.customers[question.customer_id]
    case = case_from(alert["snapshot"], customer, backfill=alert["backfill"], exchange=parts.exchange)
    return question, case, choose_playbook(situation.playbooks, case)


def _turn(considered: Considered) -> tuple[bytes, Decimal]:
    _, case, playbook = considered
    value = Decimal(str(case.probability)) * case.expected_margin
    return playbook.id.bytes if playbook else b"", -value


async def _judge(
    session: AsyncSession, case: Case, playbook: Playbook | None, situation: Situation, parts: CampaignParts
) -> Verdict:
    if playbook is None:
        return no_playbook(case, len(situation.playbooks))
    known = situation.circumstances(playbook, case.customer_id)
    verdict = pass_gates(playbook, case, known, parts.rules)
    if verdict.outcome == "act" and not await _reserve(session, playbook, known, situation, parts):
        # Somebody else took the last of the money since it was looked at: judge again by what is spent now.
        known = situation.circumstances(playbook, case.customer_id)
        verdict = _without_money(pass_gates(playbook, case, known, parts.rules))
    if verdict.outcome == "act":
        situation.acted_at[case.customer_id].append(situation.now)
    return verdict


async def _reserve(
    session: AsyncSession, playbook: Playbook, known: Circumstances, situation: Situation, parts: CampaignParts
) -> bool:
    if playbook.budget is None:
        return True
    budget = playbook.budget
    period = (budget.period, period_start(situation.now, budget.period, ZoneInfo(parts.settings.time_zone)))
    spent = await playbook_rows.reserve_budget(
        session, playbook.id, period=period, cost=known.cost, budget=budget.amount
    )
    if spent is not None:
        situation.spent[playbook.id] = spent
        return True
    situation.spent[playbook.id] = await playbook_rows.spent_by(
        session, playbook.id, period=budget.period, start=period[1]
    )
    return False


def _without_money(verdict: Verdict) -> Verdict:
    """The verdict when a reservation failed: no act, whatever a later look at the money says."""
    if verdict.outcome != "act":
        return verdict
    gates = tuple(Gate(gate.gate, gate.passed and gate.gate != "budget", gate.inputs) for gate in verdict.gates)
    return Verdict("suppressed", gates, verdict.expected_profit, held_out=verdict.held_out)


async def _write_down(
    session: AsyncSession, answers: Sequence[Answer], situation: Situation, parts: CampaignParts
) -> None:
    await decision_rows.add_decisions(session, [_row(answer, situation, parts) for answer in answers])
    resolved = {answer.question.waits: answer.decision_id for answer in answers if answer.question.waits}
    await decision_rows.resolve_waiting(session, {waits: by for waits, by in resolved.items() if waits})
    for outcome, state in (("act", "acted"), ("hold_out", "held_out")):
        decided = [answer.case.alert_id for answer in answers if answer.verdict.outcome == outcome]
        await alert_rows.mark_alerts(session, decided, state=state)
    held_out = [answer.case.alert_id for answer in answers if answer.verdict.held_out]
    await alert_rows.mark_held_out(session, held_out)


def _row(answer: Answer, situation: Situation, parts: CampaignParts) -> dict[str, Any]:
    alert, verdict, playbook = answer.question.alert, answer.verdict, answer.playbook
    acts = verdict.outcome in ("act", "deferred") and playbook is not None
    return {
        "id": answer.decision_id, "customer_id": answer.case.customer_id, "alert_id": answer.case.alert_id,
        "alert_version": alert["version"],
        "playbook_id": playbook.id if playbook else None, "playbook": playbook.name if playbook else None,
        "action": action_of(playbook, situation) if playbook and acts else None,
        "outcome": verdict.outcome,
        "gates": [{"gate": gate.gate, "passed": gate.passed, "inputs": gate.inputs} for gate in verdict.gates],
        "expected_profit": verdict.expected_profit, "currency": parts.settings.currency,
        "decided_at": situation.now, "due_at": verdict.due_at, "resolved_by": None, "event_id": None,
        "caused_by": alert["event_id"], "trace_id": answer.trace.trace_id, "alert": alert["snapshot"],
        "created_at": parts.clock.system_now(),
    }  # fmt: skip


def action_of(playbook: Playbook, situation: Situation) -> dict[str, Any]:
    """What a playbook does, with the offer as it was when this was decided."""
    offer = situation.offers.get(playbook.action.offer or "")
    return {
        "channel": playbook.action.channel, "offer": playbook.action.offer,
        "offer_name": offer.name if offer else None, "offer_kind": offer.kind if offer else None,
        "offer_cost": format(offer.cost, "f") if offer else None,
        "endpoint_id": playbook.action.endpoint_id, "subject": playbook.action.subject, "body": playbook.action.body,
    }  # fmt: skip
