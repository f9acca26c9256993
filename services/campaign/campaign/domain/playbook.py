"""Playbooks: which action is right for which customer, and under what limits."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

ActionChannel = Literal["webhook", "email", "phone"]
Period = Literal["day", "week", "month"]

# What consent is asked for: a partner that acts on our behalf is a channel of its own.
CONSENT_CHANNEL: dict[str, str] = {"webhook": "partner", "email": "email", "phone": "phone"}


@dataclass(frozen=True, slots=True)
class Match:
    """For whom a playbook is; an empty set matches all."""

    stages: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    min_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Action:
    """What a playbook does."""

    channel: ActionChannel
    offer: str | None = None
    endpoint_id: UUID | None = None
    subject: str | None = None
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `count` actions per customer in any `days` days, whichever playbooks they came from."""

    count: int
    days: int


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` until before `end` in the customer's local time; may span midnight."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Budget:
    """What a playbook may spend per period, in the reporting currency."""

    amount: Decimal
    period: Period


@dataclass(frozen=True, slots=True)
class Playbook:
    """One rule: match, action, limits. The highest priority that matches wins; among equals the oldest."""

    id: UUID
    name: str
    priority: int
    match: Match
    action: Action
    active: bool = True
    hold_out_share: float = 0.0
    cap: Cap | None = None
    quiet_hours: QuietHours | None = None
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What an alert says of a customer; amounts in the reporting currency."""

    alert_id: UUID
    customer_id: UUID
    stage: str
    tier: str
    reasons: tuple[str, ...]
    probability: float
    expected_margin: Decimal
    scored_at: datetime
    # None where the alert does not say what share of leavers an action saves.
    save_rate: float | None = None
    from_history: bool = False
    backfill: bool = False
    snoozed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be given; the cost is in the reporting currency."""

    key: str
    name: str
    kind: str
    cost: Decimal
    save_rate: float | None
    active: bool


def matches(match: Match, case: Case) -> bool:
    """Whether a playbook is meant for this case."""
    return (
        case.probability >= match.min_probability
        and (not match.stages or case.stage in match.stages)
        and (not match.tiers or case.tier in match.tiers)
        and (not match.reasons or not match.reasons.isdisjoint(case.reasons))
    )


def choose_playbook(playbooks: Iterable[Playbook], case: Case) -> Playbook | None:
    """The active playbook of the highest priority that matches; ids are time-ordered, so the older wins a tie."""
    fitting = [playbook for playbook in playbooks if playbook.active and matches(playbook.match, case)]
    return min(fitting, key=lambda playbook: (-playbook.priority, playbook.id), default=None)


def reason_codes(reasons: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """The codes of the reasons that raise the probability, the strongest first."""
    raising = sorted(
        (reason for reason in reasons if reason["effect"] > 0), key=lambda reason: -float(reason["effect"])
    )
    return tuple(dict.fromkeys(str(reason["code"]) for reason in raising))
