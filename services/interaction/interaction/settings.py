"""What the interaction service may be told from outside: nothing beyond what every service shares."""

from chassis.settings import Settings


class InteractionSettings(Settings):
    """The shared settings; currency, rates, margin rate and the installation's id matter most here."""
