"""`python -m campaign api|worker|migrate`."""

from chassis.cli import run

from campaign.app import build
from campaign.settings import CampaignSettings

run(build, CampaignSettings)
