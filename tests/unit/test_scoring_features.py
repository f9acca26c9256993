from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.domain.activity import COLUMNS, ActivityTable, Occurrence, bucket_days, increments_of
from scoring.domain.churn import prior_behaviour_churn
from scoring.domain.features import FEATURE_INDEX, FEATURES, compute_features
from scoring.domain.reasons import words
from tests.support.purchases import bought, buyers_on, simulated_buyers, table_of

AS_OF = 100
BUCKETS = st.lists(
    st.tuples(
        st.integers(0, 4), st.integers(0, 200), st.integers(0, 60),
        st.lists(st.integers(0, 5), min_size=len(COLUMNS), max_size=len(COLUMNS)),
    ),
    max_size=40,
)  # fmt: skip


def table(buckets: list[tuple[int, int, int, list[int]]]) -> ActivityTable:
    days = [day for _, day, _, _ in buckets]
    known = [day + delay for _, day, delay, _ in buckets]
    sums = np.array([sums for *_, sums in buckets], np.float64)
    return ActivityTable.build(5, [customer for customer, *_ in buckets], day=days, known_day=known, sums=sums)


def feature(activity: ActivityTable, name: str, *, customer: int = 0, as_of: int = AS_OF) -> float:
    return float(compute_features(activity, as_of)[customer, FEATURE_INDEX[name]])


@settings(max_examples=60, deadline=None)
@given(BUCKETS, st.integers(0, 200))
def test_what_is_learnt_later_never_changes_the_features_of_an_earlier_day(buckets, as_of):
    earlier = [one for one in buckets if one[1] <= as_of and one[1] + one[2] <= as_of]
    whole, then = compute_features(table(buckets), as_of), compute_features(table(earlier), as_of)
    np.testing.assert_array_equal(whole, then)


@settings(max_examples=60, deadline=None)
@given(BUCKETS, st.randoms())
def test_the_order_of_arrival_does_not_matter(buckets, random):
    shuffled = list(buckets)
    random.shuffle(shuffled)
    np.testing.assert_array_equal(compute_features(table(buckets), AS_OF), compute_features(table(shuffled), AS_OF))


def test_a_customer_scores_the_same_alone_and_in_a_crowd():
    crowd = simulated_buyers(300, 200, seed=3)
    mine = crowd.customer == 17
    alone = ActivityTable.build(
        1, crowd.customer[mine] * 0, day=crowd.day[mine], known_day=crowd.known_day[mine], sums=crowd.sums[mine]
    )
    np.testing.assert_array_equal(compute_features(crowd, 180)[17], compute_features(alone, 180)[0])


def test_silence_is_counted_from_the_last_purchase_and_in_usual_gaps():
    activity = buyers_on({0: [10, 30, 50, 70]})
    assert feature(activity, "days_since_last_purchase") == 30
    assert feature(activity, "usual_gap") == 20
    assert feature(activity, "silence_over_usual_gap") == 1.5


def test_two_purchases_of_one_day_are_one_purchase_day():
    activity = table_of({0: [(50, bought()), (50, bought()), (60, bought())]})
    assert feature(activity, "purchase_days") == 2
    assert feature(activity, "usual_gap") == 10


def test_windows_age_by_themselves():
    activity = buyers_on({0: [80, 95]})
    assert feature(activity, "purchase_days_14") == 1
    assert feature(activity, "purchase_days_14", as_of=109) == 0
    assert feature(activity, "purchase_days_28") == 2


def test_a_purchase_that_arrived_late_was_not_known_before():
    occurred, arrived = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 10, tzinfo=UTC)
    day, known_day = bucket_days(occurred, arrived, backfill=False)
    assert known_day == day + 9
    assert bucket_days(occurred, arrived, backfill=True) == (day, day)


@pytest.mark.parametrize("kind", ["campaign_touch", "delivery_receipt"])
def test_our_own_touches_are_no_activity(kind):
    assert increments_of(Occurrence(kind=kind, amount=5.0, margin=-1.0)) is None


def test_a_return_lowers_the_margin_and_is_counted():
    activity = table_of({0: [(90, bought(100.0)), (95, Occurrence(kind="return", amount=40.0, margin=-10.0))]})
    assert feature(activity, "return_share") == pytest.approx(0.4)
    assert activity.total("margin")[0] == 15.0


def test_a_customer_without_any_activity_has_features_and_a_sane_prior():
    empty = table_of({}, customer_count=2)
    probability = prior_behaviour_churn().score(compute_features(empty, AS_OF)).probability
    assert np.all((probability > 0.05) & (probability < 0.95))


def test_a_one_time_buyer_is_never_fully_safe_by_the_prior():
    probability = prior_behaviour_churn().score(compute_features(buyers_on({0: [100]}), AS_OF)).probability
    assert probability[0] > 0.1


def test_the_prior_grows_with_silence():
    activity = buyers_on({0: [10, 20, 30, 40]})
    prior = prior_behaviour_churn()
    risks = [float(prior.score(compute_features(activity, day)).probability[0]) for day in (42, 55, 70, 90, 130)]
    assert risks == sorted(risks)
    assert risks[-1] > 2 * risks[0]


def test_the_words_carry_the_customers_own_numbers():
    row = compute_features(buyers_on({0: [0, 21, 42, 63]}), 136)[0]
    numbers = dict(zip([one.name for one in FEATURES], row.tolist(), strict=True))
    assert words(FEATURES[0], numbers) == "73 days since the last purchase; usual gap 21"


def test_every_feature_has_words_for_every_customer():
    rows = compute_features(table_of({0: [(90, bought())]}, customer_count=2), AS_OF)
    for row in rows:
        numbers = dict(zip([one.name for one in FEATURES], row.tolist(), strict=True))
        texts = [words(one, numbers) for one in FEATURES]
        assert all(text and "nan" not in text and "{" not in text for text in texts)


def test_several_purchases_on_one_day_are_told_as_the_only_day_with_a_purchase():
    numbers = dict(zip(FEATURE_INDEX, compute_features(buyers_on({0: [100, 100, 100]}), 160)[0].tolist(), strict=True))
    told = {words(one, numbers) for one in FEATURES if one.reason == "silence" and not np.isfinite(numbers[one.name])}
    assert told == {
        "60 days since the only day with a purchase",
        "60 days since the last purchase; fewer than three days with one so far",
    }
