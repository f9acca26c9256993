"""Everything that deciding about a batch of alerts looks at, loaded once for the batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from campaign.domain.gates import Circumstances, period_start
from campaign.domain.money import Exchange
from campaign.domain.playbook import (
    Action,
    Budget,
    Cap,
    Case,
    Match,
    Offer,
    Playbook,
    QuietHours,
    reason_codes,
)
from campaign.parts import CampaignParts
from campaign.repository import customers as customer_rows
from campaign.repository import decisions as decision_rows
from campaign.repository import offers as offer_rows
from campaign.repository import playbooks as playbook_rows
from campaign.repository import webhook_endpoints as endpoint_rows
from campaign.repository.query import Row

_PURPOSE = "marketing"


@dataclass
class Situation:
    """Loaded state; `acted_at` and `spent` are kept up to date while a batch is decided."""

    now: datetime
    playbooks: Sequence[Playbook]
    offers: Mapping[str, Offer]
    customers: Mapping[UUID, Row]
    consents: Mapping[UUID, Mapping[str, str]]
    contacts: Mapping[UUID, Row]
    endpoints: Sequence[Row]
    acted_at: Mapping[UUID, list[datetime]]
    email_works: bool
    spent: dict[UUID, Decimal] = field(default_factory=dict)

    def circumstances(self, playbook: Playbook, customer_id: UUID) -> Circumstances:
        """What is known of one customer under one playbook."""
        customer = self.customers[customer_id]
        return Circumstances(
            now=self.now,
            offer=self.offers.get(playbook.action.offer or ""),
            consents=self.consents.get(customer_id, {}),
            reachable=self._is_reachable(playbook.action, customer_id),
            erased=customer["erased_at"] is not None,
            time_zone=customer["time_zone"],
            acted_at=self.acted_at[customer_id],
            spent=self.spent.get(playbook.id, Decimal(0)),
        )

    def _is_reachable(self, action: Action, customer_id: UUID) -> bool:
        contact = self.contacts.get(customer_id)
        if action.channel == "email":
            return self.email_works and contact is not None and bool(contact["email"])
        if action.channel == "phone":
            return contact is not None and bool(contact["phone"])
        return action.endpoint_id is None or any(one["id"] == action.endpoint_id for one in self.endpoints)


async def load_situation(session: AsyncSession, customer_ids: Sequence[UUID], parts: CampaignParts) -> Situation:
    """Lock the customers and load what deciding about them looks at."""
    customers = await customer_rows.lock_customers(session, customer_ids)
    ids = list(customers)
    now = parts.clock.business_now()
    playbooks = [playbook_from(row, parts.exchange) for row in await playbook_rows.list_active_playbooks(session)]
    keys = {playbook.action.offer for playbook in playbooks if playbook.action.offer}
    rows = await offer_rows.list_offers_by_key(session, sorted(keys))
    offers = [offer_from(row, parts.exchange) for row in rows if _is_priced(row, parts.exchange)]
    longest_cap = max((playbook.cap.days for playbook in playbooks if playbook.cap), default=0)
    return Situation(
        now=now,
        playbooks=playbooks,
        offers={offer.key: offer for offer in offers},
        customers=customers,
        consents=await customer_rows.list_consents(session, ids, purpose=_PURPOSE),
        contacts=await customer_rows.list_contacts(session, ids),
        endpoints=await endpoint_rows.list_enabled_endpoints(session),
        acted_at=await decision_rows.acted_at(session, ids, since=now - timedelta(days=longest_cap)),
        email_works=bool(parts.settings.smtp_url.get_secret_value()),
        spent=await _spent(session, playbooks, now=now, time_zone=parts.settings.time_zone),
    )


async def _spent(
    session: AsyncSession, playbooks: Sequence[Playbook], *, now: datetime, time_zone: str
) -> dict[UUID, Decimal]:
    found = {}
    for playbook in playbooks:
        if playbook.budget is not None:
            start = period_start(now, playbook.budget.period, ZoneInfo(time_zone))
            found[playbook.id] = await playbook_rows.spent_by(
                session, playbook.id, period=playbook.budget.period, start=start
            )
    return found


def playbook_from(row: Row, exchange: Exchange) -> Playbook:
    """A stored playbook as a rule."""
    rule = row["rule"]
    match, action, cap, hours, budget = (rule[name] for name in ("match", "action", "cap", "quiet_hours", "budget"))
    return Playbook(
        id=row["id"], name=row["name"], priority=row["priority"], active=row["active"],
        match=Match(
            frozenset(match["stages"]), frozenset(match["tiers"]), frozenset(match["reasons"]), match["min_probability"]
        ),
        action=Action(**action | {"endpoint_id": action["endpoint_id"] and UUID(action["endpoint_id"])}),
        hold_out_share=rule["hold_out_share"],
        cap=cap and Cap(cap["count"], cap["days"]),
        quiet_hours=hours and QuietHours(time.fromisoformat(hours["from"]), time.fromisoformat(hours["to"])),
        budget=budget and Budget(_affordable(budget, exchange), budget["period"]),
    )  # fmt: skip


def offer_from(row: Row, exchange: Exchange) -> Offer:
    """A stored offer, its cost in the reporting currency."""
    cost = _converted({"amount": row["cost"], "currency": row["currency"]}, exchange)
    return Offer(row["key"], row["name"], row["kind"], cost, row["save_rate"], row["active"])


def case_from(snapshot: Mapping[str, Any], customer: Row, *, backfill: bool, exchange: Exchange) -> Case:
    """An alert as the gates see it, with a newer score where there is one."""
    scored_at = datetime.fromisoformat(snapshot["scored_at"])
    newer = customer["scored_at"] is not None and customer["scored_at"] > scored_at
    believed = customer if newer else snapshot
    save_rate = snapshot["assumptions"].get("save_rate")
    snoozed_until = snapshot.get("snoozed_until")
    return Case(
        alert_id=UUID(snapshot["alert_id"]), customer_id=customer["customer_id"],
        stage=believed["stage"], tier=believed["tier"], probability=believed["probability"],
        reasons=reason_codes(snapshot["reasons"]),
        expected_margin=_converted(snapshot["expected_margin"], exchange),
        scored_at=customer["scored_at"] if newer else scored_at,
        save_rate=None if save_rate is None else float(save_rate),
        from_history=snapshot["from_history"], backfill=backfill,
        snoozed_until=snoozed_until and datetime.fromisoformat(snoozed_until),
    )  # fmt: skip


def _is_priced(row: Row, exchange: Exchange) -> bool:
    """Whether an offer's cost is known; its rate may have been taken away after it was accepted."""
    return exchange.knows(row["currency"])


def _converted(money: Mapping[str, Any], exchange: Exchange) -> Decimal:
    return exchange.convert(Decimal(money["amount"]), money["currency"])


def _affordable(budget: Mapping[str, Any], exchange: Exchange) -> Decimal:
    """A budget in a currency without a rate (any more) buys nothing."""
    return _converted(budget, exchange) if exchange.knows(budget["currency"]) else Decimal(0)
