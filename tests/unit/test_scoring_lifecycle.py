import numpy as np
import pytest

from scoring.domain.activity import Occurrence
from scoring.domain.churn import band_of
from scoring.domain.lifecycle import days_until_next_look, evidence_of, stage_of, tier_thresholds, tiers_of
from tests.support.purchases import bought, buyers_on, table_of

AS_OF = 400


def stage(activity, previous=None, *, customer=0):
    return stage_of(evidence_of(activity, AS_OF, lost_after_days=180)[customer], previous, lost_after_days=180).stage


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([390], "acquisition"),
        (list(range(100, 400, 10)), "mature"),
        (list(range(100, 340, 10)), "decline"),
        ([100, 150, 200], "lost"),
        (list(range(230, 320, 20)) + list(range(320, 400, 5)), "growth"),
        ([20, 60, 390], "won_back"),
    ],
)
def test_the_stage_follows_from_the_rhythm(days, expected):
    assert stage(buyers_on({0: days})) == expected


def test_who_never_bought_is_a_prospect():
    assert stage(table_of({}, customer_count=1)) == "prospect"


def test_a_purchase_after_having_been_lost_wins_back():
    assert stage(buyers_on({0: [300, 395]}), previous="lost") == "won_back"


def test_falling_spend_is_decline_even_without_silence():
    days = [(day, bought(100.0 if day < 310 else 10.0)) for day in range(200, 400, 10)]
    assert stage(table_of({0: days})) == "decline"


def test_a_cancelled_contract_is_lost_and_a_new_one_wins_back():
    begun, ended = Occurrence(kind="subscription"), Occurrence(kind="cancellation")
    assert stage(table_of({0: [(100, begun)]})) == "mature"
    assert stage(table_of({0: [(100, begun), (300, ended)]})) == "lost"
    assert stage(table_of({0: [(100, begun), (300, ended), (350, begun)]}), previous="lost") == "won_back"


def test_tiers_follow_expected_margin_and_a_lead_never_bought():
    margins = np.arange(1.0, 101.0)
    tiers = tiers_of(margins, np.ones(100, np.bool_), tier_thresholds(margins))
    assert (tiers.count("diamond"), tiers.count("gold"), tiers.count("silver"), tiers.count("iron")) == (5, 15, 30, 50)
    assert tiers_of(np.array([0.0, 500.0]), np.array([True, False]), tier_thresholds(margins)) == ["iron", "lead"]


def test_a_big_buyer_without_margin_is_iron():
    assert tiers_of(np.array([-40.0]), np.array([True]), np.array([-50.0, -45.0, -41.0])) == ["iron"]


def test_the_next_look_comes_when_the_usual_gap_is_over_and_often_beyond_it():
    activity = buyers_on({0: [380, 390, 396], 1: [100, 160, 220, 399], 2: [300, 316, 332], 3: [10]})
    looks = days_until_next_look(evidence_of(activity, AS_OF, lost_after_days=180), lost_after_days=180)
    assert looks == [4, 7, 2, 30]


def test_bands_are_bounded_by_the_policy():
    bands = [band_of(probability, medium_at=0.2, high_at=0.3) for probability in (0.1, 0.2, 0.29, 0.3)]
    assert bands == ["low", "medium", "medium", "high"]
