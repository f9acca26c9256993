"""Quiet hours where the customer lives, also on days with a change of clocks."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from campaign.domain.playbook import QuietHours
from campaign.domain.quiet_hours import is_quiet, quiet_until, zone_of

NIGHT = QuietHours(time(21), time(8))
LUNCH = QuietHours(time(12), time(14))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "now", "until"),
    [
        ("UTC", "2026-06-03T12:00", None),
        ("UTC", "2026-06-03T20:59", None),
        ("UTC", "2026-06-03T21:00", "2026-06-04T08:00"),
        ("UTC", "2026-06-04T07:59", "2026-06-04T08:00"),
        ("UTC", "2026-06-04T08:00", None),
        ("Asia/Tokyo", "2026-06-03T12:00", "2026-06-03T23:00"),
        ("America/Los_Angeles", "2026-06-03T12:00", "2026-06-03T15:00"),
        ("Asia/Kathmandu", "2026-06-03T16:00", "2026-06-04T02:15"),
        ("Pacific/Kiritimati", "2026-06-03T12:00", "2026-06-03T18:00"),
        # Europe/Berlin changes at 01:00 UTC: forward on 29 March 2026, back on 25 October 2026.
        ("Europe/Berlin", "2026-03-28T22:00", "2026-03-29T06:00"),
        ("Europe/Berlin", "2026-10-24T22:00", "2026-10-25T07:00"),
    ],
)
def test_a_night_ends_at_eight_where_the_customer_lives(zone: str, now: str, until: str | None) -> None:
    assert quiet_until(NIGHT, at(now), ZoneInfo(zone)) == (until and at(until))


def test_an_end_that_clocks_skip_is_the_moment_after_the_gap() -> None:
    # 02:30 does not exist in Berlin on 29 March 2026.
    hours = QuietHours(time(22), time(2, 30))
    assert quiet_until(hours, at("2026-03-28T23:00"), ZoneInfo("Europe/Berlin")) == at("2026-03-29T01:30")


def test_an_end_that_comes_twice_ends_the_quiet_twice() -> None:
    # 02:30 comes twice in Berlin on 25 October 2026: at 00:30 and at 01:30 UTC.
    hours, zone = QuietHours(time(22), time(2, 30)), ZoneInfo("Europe/Berlin")
    assert quiet_until(hours, at("2026-10-25T00:00"), zone) == at("2026-10-25T00:30")
    assert quiet_until(hours, at("2026-10-25T00:45"), zone) is None
    assert quiet_until(hours, at("2026-10-25T01:10"), zone) == at("2026-10-25T01:30")


def test_a_window_within_a_day_does_not_wrap() -> None:
    zone = ZoneInfo("UTC")
    assert [is_quiet(LUNCH, at(f"2026-06-03T{hour}"), zone) for hour in ("11:59", "12:00", "13:59", "14:00")] == [
        False, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("name", [None, "", "Nowhere/Land", "../../etc/passwd", "UTC\0"])
def test_an_unknown_zone_falls_back(name: str | None) -> None:
    assert zone_of(name, "Europe/Berlin").key == "Europe/Berlin"
