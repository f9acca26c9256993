"""Playbooks and gates as pure decisions."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from campaign.domain.gates import (
    Circumstances,
    Rules,
    Verdict,
    hold_out_position,
    in_hold_out,
    pass_gates,
    period_start,
)
from campaign.domain.money import Exchange, UnknownRate
from campaign.domain.playbook import (
    Action,
    Budget,
    Cap,
    Case,
    Match,
    Offer,
    Playbook,
    QuietHours,
    choose_playbook,
    reason_codes,
)

NOON = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)
CASE = Case(
    alert_id=uuid4(), customer_id=uuid4(), stage="decline", tier="gold", reasons=("silence", "price"), probability=0.5,
    expected_margin=Decimal(200), scored_at=NOON, save_rate=0.2,
)  # fmt: skip
PLAYBOOK = Playbook(uuid4(), "All", 100, Match(), Action("webhook"))
OFFER = Offer("save-10", "10 % off", "discount", Decimal(3), save_rate=None, active=True)
GIVES_OFFER = replace(PLAYBOOK, action=Action("webhook", offer="save-10"))
KNOWN = Circumstances(NOON, offer=OFFER, consents={"partner": "granted", "email": "granted", "phone": "granted"})
RULES = Rules(timedelta(hours=48), "denied", "UTC", "EUR")


def judge(
    playbook: Playbook = PLAYBOOK, case: Case = CASE, known: Circumstances = KNOWN, rules: Rules = RULES
) -> Verdict:
    return pass_gates(playbook, case, known, rules)


def failed(verdict: Verdict) -> list[str]:
    return [gate.gate for gate in verdict.gates if not gate.passed]


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(), True),
        (Match(stages=frozenset({"decline", "lost"})), True),
        (Match(stages=frozenset({"growth"})), False),
        (Match(tiers=frozenset({"gold"})), True),
        (Match(tiers=frozenset({"diamond"})), False),
        (Match(reasons=frozenset({"price"})), True),
        (Match(reasons=frozenset({"complaint"})), False),
        (Match(min_probability=0.5), True),
        (Match(min_probability=0.51), False),
        (Match(frozenset({"decline"}), frozenset({"gold"}), frozenset({"complaint"})), False),
    ],
)
def test_a_playbook_matches_where_every_list_does(match: Match, fits: bool) -> None:
    assert (choose_playbook([replace(PLAYBOOK, match=match)], CASE) is not None) == fits


def test_the_highest_priority_wins_and_the_older_of_equals() -> None:
    first = replace(PLAYBOOK, id=UUID(int=1), priority=10)
    second = replace(PLAYBOOK, id=UUID(int=2), priority=10)
    low = replace(PLAYBOOK, id=UUID(int=0), priority=5)
    assert choose_playbook([low, second, first], CASE) is first


def test_an_inactive_playbook_is_not_chosen() -> None:
    assert choose_playbook([replace(PLAYBOOK, active=False)], CASE) is None


def test_only_reasons_that_raise_the_probability_count() -> None:
    reasons = [
        {"code": "price", "effect": 0.1}, {"code": "silence", "effect": 0.9}, {"code": "complaint", "effect": -0.4},
    ]  # fmt: skip
    assert reason_codes(reasons) == ("silence", "price")


def test_what_passes_every_gate_acts() -> None:
    verdict = judge()
    assert (verdict.outcome, failed(verdict), verdict.expected_profit) == ("act", [], Decimal("17.00"))


@pytest.mark.parametrize(
    ("state", "default", "passes"),
    [
        ("granted", "denied", True),
        ("denied", "granted", False),
        ("revoked", "granted", False),
        ("unknown", "granted", True),
        ("unknown", "denied", False),
        (None, "granted", True),
        (None, "denied", False),
    ],
)
def test_consent_is_asked_for_and_silence_is_the_default(state: str | None, default: str, passes: bool) -> None:
    consents = {} if state is None else {"partner": state}
    verdict = judge(known=replace(KNOWN, consents=consents), rules=replace(RULES, consent_default=default))
    assert (failed(verdict) == []) == passes


@pytest.mark.parametrize(("channel", "asked"), [("webhook", "partner"), ("email", "email"), ("phone", "phone")])
def test_consent_is_asked_for_the_channel(channel: str, asked: str) -> None:
    playbook = replace(PLAYBOOK, action=Action(channel))  # type: ignore[arg-type]
    assert failed(judge(playbook, known=replace(KNOWN, consents={asked: "granted"}))) == []
    assert failed(judge(playbook, known=replace(KNOWN, consents={"sms": "granted"}))) == ["consent"]


def test_nobody_acts_on_the_erased() -> None:
    assert failed(judge(known=replace(KNOWN, erased=True))) == ["consent"]


def test_who_cannot_be_reached_is_not_counted_as_reached() -> None:
    assert judge(known=replace(KNOWN, reachable=False)).outcome == "suppressed"


@pytest.mark.parametrize("offer", [None, replace(OFFER, active=False)])
def test_an_offer_that_is_gone_cannot_be_given(offer: Offer | None) -> None:
    assert "offer" in failed(judge(GIVES_OFFER, known=replace(KNOWN, offer=offer)))


def test_the_hold_out_takes_its_share() -> None:
    playbook_id = uuid4()
    held = sum(in_hold_out(playbook_id, UUID(int=number), 0.1) for number in range(20_000))
    # 2,000 expected; the standard deviation is √(20,000 × 0.1 × 0.9) = 42.
    assert abs(held - 2000) < 5 * 42


def test_the_hold_out_is_for_ever_and_grows_with_its_share() -> None:
    playbook_id = UUID("00000000-0000-7000-8000-000000000001")
    assert hold_out_position(playbook_id, UUID(int=7)) == pytest.approx(0.3773, abs=0.0001)
    small = {n for n in range(2000) if in_hold_out(playbook_id, UUID(int=n), 0.1)}
    large = {n for n in range(2000) if in_hold_out(playbook_id, UUID(int=n), 0.2)}
    assert small < large


def test_the_hold_outs_of_two_playbooks_are_independent() -> None:
    one, other = uuid4(), uuid4()
    both = sum(in_hold_out(one, UUID(int=n), 0.5) and in_hold_out(other, UUID(int=n), 0.5) for n in range(20_000))
    assert abs(both - 5000) < 5 * 62


def test_who_is_held_out_is_known_even_where_an_earlier_gate_failed() -> None:
    verdict = judge(replace(PLAYBOOK, hold_out_share=1.0), known=replace(KNOWN, consents={}))
    assert (verdict.outcome, verdict.held_out) == ("suppressed", True)


@pytest.mark.parametrize(
    ("days_ago", "passes"),
    [([], True), ([15], True), ([14], True), ([13.99], False), ([1, 20], False), ([1, 2], False)],
)
def test_the_cap_looks_back_over_a_rolling_window(days_ago: list[float], passes: bool) -> None:
    known = replace(KNOWN, acted_at=[NOON - timedelta(days=days) for days in days_ago])
    assert (failed(judge(replace(PLAYBOOK, cap=Cap(1, 14)), known=known)) == []) == passes


@pytest.mark.parametrize(
    ("spent", "passes"), [("0", True), ("497", True), ("497.01", False), ("500", False), ("600", False)]
)
def test_the_budget_is_never_overspent(spent: str, passes: bool) -> None:
    playbook = replace(GIVES_OFFER, budget=Budget(Decimal(500), "month"))
    assert (failed(judge(playbook, known=replace(KNOWN, spent=Decimal(spent)))) == []) == passes


@pytest.mark.parametrize(
    ("period", "start"), [("day", date(2026, 6, 3)), ("week", date(2026, 6, 1)), ("month", date(2026, 6, 1))]
)
def test_a_period_begins_on_a_calendar_day(period: str, start: date) -> None:
    assert period_start(NOON, period, ZoneInfo("UTC")) == start  # type: ignore[arg-type]


def test_a_period_begins_at_local_midnight() -> None:
    assert period_start(datetime(2026, 5, 31, 23, tzinfo=UTC), "month", ZoneInfo("Asia/Tokyo")) == date(2026, 6, 1)


@pytest.mark.parametrize(
    ("offer_rate", "alert_rate", "cost", "profit"),
    [(None, 0.2, "3", "17.00"), (0.5, 0.2, "3", "47.00"), (None, None, "0", "0.00"), (None, 0.03, "3", "0.00")],
)
def test_expected_profit_is_what_is_saved_less_the_offer(
    offer_rate: float | None, alert_rate: float | None, cost: str, profit: str
) -> None:
    offer = replace(OFFER, save_rate=offer_rate, cost=Decimal(cost))
    verdict = judge(GIVES_OFFER, replace(CASE, save_rate=alert_rate), replace(KNOWN, offer=offer))
    assert verdict.expected_profit == Decimal(profit)
    assert ("expected_profit" in failed(verdict)) == (Decimal(profit) <= 0)


def test_quiet_hours_defer_rather_than_drop() -> None:
    verdict = judge(replace(PLAYBOOK, quiet_hours=QuietHours(time(11), time(13))))
    assert (verdict.outcome, verdict.due_at) == ("deferred", NOON + timedelta(hours=1))


def test_the_first_gate_that_fails_gives_the_outcome() -> None:
    playbook = replace(PLAYBOOK, hold_out_share=1.0, quiet_hours=QuietHours(time(11), time(13)))
    assert judge(playbook).outcome == "hold_out"
    assert judge(playbook, known=replace(KNOWN, consents={})).outcome == "suppressed"
    assert judge(playbook, replace(CASE, scored_at=NOON - timedelta(days=3))).outcome == "expired"


def test_history_is_no_news_unless_the_alert_was_opened_from_it() -> None:
    assert judge(case=replace(CASE, backfill=True)).outcome == "expired"
    verdict = judge(case=replace(CASE, from_history=True))
    assert (verdict.outcome, verdict.gates[0].inputs["from_history"]) == ("act", True)


def test_other_currencies_need_a_rate() -> None:
    exchange = Exchange("EUR", {"GBP": Decimal("1.15")})
    assert exchange.convert(Decimal(10), "GBP") == Decimal("11.50")
    with pytest.raises(UnknownRate, match="STAVE_FX_RATES"):
        exchange.convert(Decimal(10), "USD")


def test_a_snoozed_alert_waits_until_the_snooze_ends_and_is_news_then() -> None:
    until = NOON + timedelta(days=5)
    put_off = replace(CASE, snoozed_until=until)
    waits = judge(case=put_off)
    assert (waits.outcome, waits.due_at, failed(waits)) == ("deferred", until, ["snoozed"])
    assert judge(case=put_off, known=replace(KNOWN, now=until)).outcome == "act"
    assert judge(known=replace(KNOWN, now=until)).outcome == "expired"
