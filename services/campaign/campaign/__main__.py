"""`python -m campaign api|worker|migrate`."""

from campaign.app import build
from campaign.settings import CampaignSettings
from chassis.cli import run

run(build, CampaignSettings)
