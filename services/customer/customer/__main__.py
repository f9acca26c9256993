"""`python -m customer api|worker|migrate`."""

from chassis.cli import run
from customer.app import build
from customer.settings import CustomerSettings

if __name__ == "__main__":
    run(build, CustomerSettings)
