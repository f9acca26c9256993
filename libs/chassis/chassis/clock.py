"""Two clocks: business time, which can be virtual, decides; system time dates signatures, retries and records."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where every rule gets its time from; aware UTC."""

    def business_now(self) -> datetime:
        """The time that silence, caps, quiet hours and news are judged by."""

    def system_now(self) -> datetime:
        """The time on the wall."""


class SystemClock:
    """Business time is the time on the wall."""

    def business_now(self) -> datetime:
        """The time on the wall."""
        return datetime.now(UTC)

    def system_now(self) -> datetime:
        """The time on the wall."""
        return datetime.now(UTC)


class VirtualClock(SystemClock):
    """Business time stands where it was set, so that a year can pass in minutes."""

    def __init__(self, at: datetime | None = None) -> None:
        self._at = at

    def business_now(self) -> datetime:
        """The time it was set to; the wall's until it is set."""
        return self._at or self.system_now()

    def set(self, at: datetime) -> None:
        """Move business time, forwards or back."""
        self._at = at.astimezone(UTC)


def clock_for(kind: str) -> Clock:
    """The clock a setting names."""
    return VirtualClock() if kind == "virtual" else SystemClock()
