"""Retries, signatures, patterns, lanes, templates and secrets, each as a value."""

import math
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidTag
from standardwebhooks.webhooks import Webhook
from uuid_utils.compat import uuid4

from campaign.channels.templates import TemplateFails, fault_of, render, subject_and_body
from campaign.channels.webhook import redacted, thin
from campaign.domain.fan_out import Message, receivers
from campaign.domain.patterns import unmatched, wants
from campaign.domain.retries import Attempt, judge, next_attempt_at
from campaign.domain.signing import headers_for, new_secret
from campaign.lanes import Breaker, Lane, Pace
from campaign.merge_patch import patched
from campaign.schemas.playbooks import PlaybookTerms
from campaign.sealing import Seal
from campaign.settings import CampaignSettings
from chassis.errors import Invalid
from contracts.catalogue import EVENTS

NOON = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)
TRIED = Attempt(NOON, 12, status=500, error="HTTP 500")
SCHEDULE = CampaignSettings(_env_file=None).webhook_schedule  # type: ignore[call-arg]


def test_the_schedule_is_the_standards() -> None:
    hours = [delay.total_seconds() for delay in SCHEDULE]
    assert hours == [0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]


def test_each_delay_jitters_by_a_fifth_at_most() -> None:
    source = random.Random(1)
    for count in range(1, 10):
        delays = [next_attempt_at(SCHEDULE, TRIED, attempt_count=count, source=source) for _ in range(200)]
        shares = [(at - NOON) / SCHEDULE[count] for at in delays if at]
        assert 0.8 <= min(shares) < 0.85
        assert 1.15 < max(shares) <= 1.2
    assert next_attempt_at(SCHEDULE, TRIED, attempt_count=10, source=source) is None


@pytest.mark.parametrize(
    ("attempt", "verdict"),
    [
        (replace(TRIED, status=200, error=None), "succeeded"),
        (replace(TRIED, status=204, error=None), "succeeded"),
        (replace(TRIED, status=301), "retry"),
        (replace(TRIED, status=400), "retry"),
        (replace(TRIED, status=410), "gone"),
        (replace(TRIED, status=429), "retry"),
        (replace(TRIED, status=None, error="refused"), "retry"),
        (replace(TRIED, status=550, permanent=True), "refused"),
    ],
)
def test_only_2xx_is_success(attempt: Attempt, verdict: str) -> None:
    assert judge(attempt) == verdict


@pytest.mark.parametrize(
    ("header", "at_least", "at_most"),
    [
        ("120", 120, 120),
        ("1", 4, 6),
        ("999999999", 86400, 86400),
        ("9" * 50, 86400, 86400),
        ("-5", 4, 6),
        ("Wed, 03 Jun 2026 12:10:00 GMT", 600, 600),
        ("Wed, 03 Jun 2020 12:10:00 GMT", 4, 6),
        ("soon", 4, 6),
        ("²", 4, 6),
    ],
)
def test_retry_after_lengthens_a_delay_within_bounds(header: str, at_least: float, at_most: float) -> None:
    at = next_attempt_at(SCHEDULE, replace(TRIED, retry_after=header), attempt_count=1, source=random.Random(1))
    assert at is not None
    assert at_least <= (at - NOON).total_seconds() <= at_most


def test_a_signature_is_what_the_standard_says() -> None:
    # The example of the specification's reference libraries.
    headers = headers_for(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}',
        keys=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )  # fmt: skip
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_either_of_two_secrets_verifies() -> None:
    secrets = [new_secret(), new_secret()]
    headers = headers_for("msg_1", datetime.now(UTC), b"{}", keys=secrets)
    for secret in secrets:
        Webhook(secret).verify(b"{}", headers)


@pytest.mark.parametrize(
    ("pattern", "event_type", "wanted"),
    [
        ("scoring.churn_alert_raised.*", "scoring.churn_alert_raised.v1", True),
        ("scoring.*", "scoring.churn_alert_raised.v1", True),
        ("*", "campaign.offer_changed.v1", True),
        ("scoring.churn_alert_raised.v1", "scoring.churn_alert_raised.v1", True),
        ("scoring.churn_alert", "scoring.churn_alert_raised.v1", False),
        ("*.v1", "customer.created.v1", True),
        ("customer.*", "scoring.customer_scored.v1", False),
        ("scoringxchurn_alert_raised.v1", "scoring.churn_alert_raised.v1", False),
    ],
)
def test_a_star_stands_for_any_run_of_characters(pattern: str, event_type: str, wanted: bool) -> None:
    assert wants([pattern], event_type) == wanted


@pytest.mark.parametrize("pattern", ["customer.contact_changed.v1", "nothing.*", "Scoring.*", "", "****", "(a+)+"])
def test_a_pattern_must_match_what_is_offered(pattern: str) -> None:
    assert unmatched(pattern, [event.wire_name for event in EVENTS if event.offered])


def test_contact_data_is_never_offered() -> None:
    everything = [event.wire_name for event in EVENTS if event.offered and wants(["*"], event.wire_name)]
    assert "customer.contact_changed.v1" not in everything


def test_an_endpoint_gets_what_it_asked_for_and_may_see() -> None:
    blind = {"id": uuid4(), "event_types": ["scoring.*"], "include_hold_out": False}
    told = blind | {"id": uuid4(), "include_hold_out": True}
    other = blind | {"id": uuid4(), "event_types": ["campaign.*"]}
    message = Message(uuid4(), "scoring.churn_alert_raised.v1", b"{}")
    assert receivers(message, [blind, told, other]) == [blind["id"], told["id"]]
    assert receivers(replace(message, hold_out=True), [blind, told, other]) == [told["id"]]
    assert receivers(replace(message, only=other["id"]), [blind, told, other]) == [other["id"]]


def row(number: int) -> dict[str, int]:
    return {"id": number}


def test_a_lane_starts_no_more_than_its_limit() -> None:
    lane = Lane(2, Breaker(3, 30))
    lane.queue.extend(map(row, range(5)))
    assert [lane.next(0) for _ in range(3)] == [row(0), row(1), None]
    assert lane.finish(succeeded=True, now=0) == []
    assert lane.next(0) == row(2)


def test_a_lane_pauses_after_failures_and_then_probes_once() -> None:
    lane = Lane(1, Breaker(2, 30))
    lane.queue.extend(map(row, range(4)))
    lane.next(0)
    assert lane.finish(succeeded=False, now=0) == []
    lane.next(1)
    assert lane.finish(succeeded=False, now=1) == [row(2), row(3)]
    assert (lane.room(30), lane.room(31)) == (0, 1)
    lane.queue.append(row(2))
    assert lane.next(31) == row(2)
    assert lane.room(31) == 0
    lane.finish(succeeded=True, now=32)
    assert lane.room(32) == 2


def test_a_lane_says_how_long_it_holds_up() -> None:
    lane = Lane(2, Breaker(failures=1, pause_seconds=60))
    assert lane.seconds_to_room(0) == math.inf
    lane.breaker.record(succeeded=False, now=10)
    assert lane.seconds_to_room(30) == 40


def test_a_lane_keeps_its_pace() -> None:
    lane = Lane(10, Breaker(3, 30), Pace(2))
    assert lane.room(0) == 2
    lane.queue.extend(map(row, range(5)))
    assert [lane.next(0) for _ in range(3)] == [row(0), row(1), None]
    assert [lane.next(0.5), lane.next(0.5)] == [row(2), None]
    assert [lane.next(99), lane.next(99), lane.next(99)] == [row(3), row(4), None]


def test_a_thin_message_is_the_same_bytes_each_time() -> None:
    body = '{"id":"1","type":"é","data":{"a":1}}'.encode()
    assert thin(body) == thin(body) == '{"id":"1","type":"é"}'.encode()


@pytest.mark.parametrize("answer", [b"\x00\xff\xfe", b"x" * 10**5, "é".encode() * 10**4])
def test_what_is_stored_of_an_answer_is_short_text(answer: bytes) -> None:
    shown = redacted(answer)
    assert len(shown.encode()) <= 4000
    assert "\0" not in shown


def test_a_secret_opens_only_for_its_owner_and_key() -> None:
    sealed = Seal(b"key one").close("whsec_x", context=b"mine")
    assert b"whsec_x" not in sealed
    assert Seal(b"key one").open(sealed, context=b"mine") == "whsec_x"
    for key, context in ((b"key one", b"yours"), (b"key two", b"mine")):
        with pytest.raises(InvalidTag):
            Seal(key).open(sealed, context=context)


def test_a_template_speaks_of_customer_offer_and_reasons() -> None:
    values = {"customer": {"name": "Ada"}, "offer": {"name": "10 % off"}, "reasons": [{"text": "silence"}]}
    text = "{{ customer.name }}: {{ offer.name }}{% for reason in reasons %} ({{ reason.text }}){% endfor %}"
    assert render(text, values) == "Ada: 10 % off (silence)"


def test_a_subject_is_one_line() -> None:
    action = {"subject": "Hi\r\nBcc: {{ customer.name }}", "body": "."}
    assert subject_and_body(action, {"customer": {"name": "eve@example.com"}})[0] == "Hi Bcc: eve@example.com"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ unknown }}",
        "{% for",
        "{{ 'x' * 10**9 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{% for a in reasons %}{{ a.nothing }}{% endfor %}",
        "{{ 1 / 0 }}",
        "{% for x in range(10**9) %}x{% endfor %}",
        "{{ 'x'.__format__ }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ 'x'|center(999999999) }}",
        "{% set a = 'xxxxxxxx' %}{% set a = a ~ a %}",
        "{% with a = 'xxxxxxxx' %}{{ a }}{% endwith %}",
        "{% for a in reasons %}{% for b in reasons %}{% for c in reasons %}{% endfor %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}",
        "{% include 'x' %}",
    ],
)
def test_a_template_that_reaches_out_or_fails_is_refused(template: str) -> None:
    assert fault_of(template)
    with pytest.raises(TemplateFails):
        render(template, {"customer": {"name": "Ada"}, "offer": {"name": "x"}, "reasons": [{"text": "y"}]})


def test_a_merge_patch_changes_what_it_names() -> None:
    terms = PlaybookTerms.model_validate(
        {
            "name": "A",
            "action": {"channel": "phone", "offer": "save-10"},
            "quiet_hours": {"from": "21:00", "to": "08:00"},
        }
    )
    changed = patched(terms, {"name": "B", "action": {"offer": None}, "quiet_hours": {"to": "09:00"}})
    assert (changed.name, changed.action.channel, changed.action.offer) == ("B", "phone", None)
    assert changed.quiet_hours is not None
    assert (changed.quiet_hours.from_, changed.quiet_hours.to) == ("21:00", "09:00")
    with pytest.raises(Invalid) as refused:
        patched(terms, {"hold_out_share": 2, "surprise": 1})
    assert {error.pointer for error in refused.value.errors} == {"/hold_out_share", "/surprise"}
