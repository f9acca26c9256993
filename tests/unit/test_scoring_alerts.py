from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scoring.domain.alerts import AlertPolicy, AlertState, Belief, assess, expected_profit, worth_first

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
POLICY = AlertPolicy(save_rate=0.1, action_cost=1.0, raise_at=0.3, clear_at=0.2, cool_down_days=30)
RISKY = Belief(probability=0.4, expected_margin=200.0, stage="decline", tier="gold", top_reason="silence")
OPEN = AlertState(status="open", told_probability=0.4, told_profit=7.0)


def believed(probability: float, **changes) -> Belief:
    return replace(RISKY, probability=probability, **changes)


def test_profit_is_probability_times_margin_times_save_rate_less_cost():
    assert expected_profit(RISKY, POLICY) == pytest.approx(0.4 * 200 * 0.1 - 1)


@pytest.mark.parametrize(
    ("previous", "probability", "outcome", "cause"),
    [
        (None, 0.29, "none", "unlikely"),
        (None, 0.30, "raise", "worth acting"),
        (OPEN, 0.25, "update", "changed"),
        (replace(OPEN, told_probability=0.25, told_profit=4.0), 0.25, "none", "unchanged"),
        (OPEN, 0.19, "clear", "recovered"),
        (OPEN, 0.52, "update", "changed"),
        (replace(OPEN, status="acted"), 0.19, "clear", "recovered"),
    ],
)
def test_it_opens_at_one_bound_and_ends_below_a_lower_one(previous, probability, outcome, cause):
    found = assess(previous, believed(probability), POLICY, now=NOW)
    assert (found.outcome, found.cause) == (outcome, cause)


def test_a_probability_trembling_between_the_bounds_does_not_flap():
    outcomes = {assess(replace(OPEN, told_probability=0.3, told_profit=5.0), believed(p), POLICY, now=NOW).outcome
                for p in (0.29, 0.31, 0.28, 0.33)}  # fmt: skip
    assert outcomes == {"none"}


@pytest.mark.parametrize("status", ["cleared", "dismissed"])
def test_after_its_end_an_alert_waits_for_the_cool_down(status):
    ended = replace(OPEN, status=status, ended_at=NOW - timedelta(days=29))
    assert assess(ended, RISKY, POLICY, now=NOW).cause == "cool-down"
    assert assess(ended, RISKY, POLICY, now=NOW + timedelta(days=1)).outcome == "raise"


def test_a_snoozed_alert_keeps_still_until_it_wakes():
    snoozed = replace(OPEN, status="snoozed", snoozed_until=NOW + timedelta(days=2))
    assert assess(snoozed, believed(0.9), POLICY, now=NOW).cause == "snoozed"
    assert assess(snoozed, believed(0.9), POLICY, now=NOW + timedelta(days=2)).outcome == "update"


def test_a_snoozed_alert_is_still_cleared_when_the_customer_recovers():
    snoozed = replace(OPEN, status="snoozed", snoozed_until=NOW + timedelta(days=2))
    assert assess(snoozed, believed(0.1), POLICY, now=NOW).outcome == "clear"


def test_the_lost_are_a_matter_of_win_back_not_of_an_alert():
    assert assess(None, believed(0.95, stage="lost"), POLICY, now=NOW).outcome == "none"
    found = assess(OPEN, believed(0.95, stage="lost"), POLICY, now=NOW)
    assert (found.outcome, found.cause) == ("clear", "lost")


def test_a_cancelled_contract_ends_the_alert():
    assert assess(OPEN, believed(0.9, cancelled=True), POLICY, now=NOW).cause == "cancelled"


def test_a_certain_leaver_worth_little_is_not_worth_an_alert():
    assert assess(None, believed(0.99, expected_margin=9.0), POLICY, now=NOW).cause == "not worth it"


def test_a_dearer_action_changes_who_is_worth_it():
    assert assess(None, RISKY, replace(POLICY, action_cost=8.0), now=NOW).outcome == "none"
    assert assess(OPEN, RISKY, replace(POLICY, action_cost=30.0), now=NOW).cause == "policy"


def test_the_assumptions_are_shown():
    found = assess(None, replace(RISKY, prior=True), POLICY, now=NOW)
    assert found.assumptions == {
        "save_rate": 0.1, "action_cost": 1.0, "horizon_days": 90, "margin_assumed": True, "prior": True
    }  # fmt: skip


def test_a_complaint_is_answered_before_an_offer_is_made():
    assert "complaint" in assess(None, replace(RISKY, top_reason="complaint"), POLICY, now=NOW).recommended


@pytest.mark.parametrize("changes", [{"clear_at": 0.3}, {"save_rate": 1.2}, {"action_cost": -1.0}])
def test_a_policy_that_contradicts_itself_is_refused(changes):
    with pytest.raises(ValueError, match="must"):
        replace(POLICY, **changes)


def test_alerts_are_rationed_by_profit():
    assert worth_first([3.0, 9.0, 9.0, 1.0], at_most=2) == [1, 2]
