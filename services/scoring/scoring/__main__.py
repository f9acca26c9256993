"""`python -m scoring api|worker|migrate`."""

from chassis.cli import run
from scoring.app import build
from scoring.settings import ScoringSettings

if __name__ == "__main__":
    run(build, ScoringSettings)
