"""What raises an alert at once, and what waits for its turn."""

import pytest

from scoring.domain.news import Before, Cause, is_news

KNOWN = Before(probability=0.2, model="churn/1", waiting=False)
WAITING = Before(probability=0.5, model="churn/1", waiting=True)


@pytest.mark.parametrize("cause", [Cause.LIVE, Cause.TIME])
def test_what_happens_or_fails_to_happen_to_a_known_customer_is_news(cause: Cause) -> None:
    assert is_news(cause, KNOWN, probability=0.6, model="churn/1")


@pytest.mark.parametrize("cause", [Cause.HISTORY, Cause.TURN])
def test_catching_up_is_never_news(cause: Cause) -> None:
    assert not is_news(cause, KNOWN, probability=0.6, model="churn/1")


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.LIVE])
def test_a_first_score_is_no_news_unless_something_has_just_happened(cause: Cause) -> None:
    assert not is_news(cause, None, probability=0.6, model="churn/1")


@pytest.mark.parametrize("before", [None, Before(probability=0.1, model="churn/prior", waiting=False, prior=True)])
def test_the_first_deed_of_somebody_who_has_just_arrived_is_news(before: Before | None) -> None:
    assert is_news(Cause.LIVE, before, probability=0.6, model="churn/1")


@pytest.mark.parametrize("cause", list(Cause))
def test_another_model_says_nothing_new_of_the_customer(cause: Cause) -> None:
    assert not is_news(cause, KNOWN, probability=0.6, model="churn/2")


def test_time_alone_does_not_let_anybody_jump_the_queue() -> None:
    assert not is_news(Cause.TIME, WAITING, probability=0.9, model="churn/1")


def test_an_event_that_makes_it_worse_jumps_the_queue() -> None:
    assert is_news(Cause.LIVE, WAITING, probability=0.6, model="churn/1")
    assert not is_news(Cause.LIVE, WAITING, probability=0.51, model="churn/1")
