"""What the scoring service may be told from outside."""

from chassis.settings import Settings


class ScoringSettings(Settings):
    """The shared settings; scoring needs no more than those."""
