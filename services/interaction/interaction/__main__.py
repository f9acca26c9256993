"""`python -m interaction api|worker|migrate`."""

from chassis.cli import run
from interaction.app import build
from interaction.settings import InteractionSettings

if __name__ == "__main__":
    run(build, InteractionSettings)
