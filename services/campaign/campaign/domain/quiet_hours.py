"""Quiet hours in the customer's own time zone, daylight saving changes included."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from campaign.domain.playbook import QuietHours


def zone_of(name: str | None, fallback: str) -> ZoneInfo:
    """The customer's zone, or the fallback where it is unknown or no zone."""
    try:
        return ZoneInfo(name or fallback)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(fallback)


def is_quiet(hours: QuietHours, now: datetime, zone: ZoneInfo) -> bool:
    """Whether it is within the quiet hours where the customer lives."""
    local = now.astimezone(zone).time()
    if hours.start < hours.end:
        return hours.start <= local < hours.end
    return local >= hours.start or local < hours.end


def quiet_until(hours: QuietHours, now: datetime, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours that go on now end, in UTC; None outside them."""
    if not is_quiet(hours, now, zone):
        return None
    # Where clocks go back a local time comes twice (fold 0 and 1, PEP 495); where they go forward it may not come at
    # all, and zoneinfo yields a moment before the gap and one after it: the first that lies ahead and is not quiet.
    today = now.astimezone(zone).date()
    moments = (
        datetime.combine(today + timedelta(days=day), hours.end.replace(fold=fold), zone).astimezone(UTC)
        for day in (0, 1, 2)
        for fold in (0, 1)
    )
    return min(moment for moment in moments if moment > now and not is_quiet(hours, moment, zone))
