"""What the campaign service's use cases work with."""

import random
from dataclasses import dataclass, field
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from uuid_utils.compat import uuid7

from campaign.channels.guard import AddressGuard
from campaign.domain.gates import Rules
from campaign.domain.money import Exchange
from campaign.sealing import Seal
from campaign.settings import CampaignSettings
from chassis.clock import Clock
from chassis.database import Database
from chassis.dependencies import parts_of


@dataclass(frozen=True)
class CampaignParts:
    """Handed to every handler, endpoint and worker."""

    settings: CampaignSettings
    database: Database
    clock: Clock
    seal: Seal
    guard: AddressGuard
    # Jitter only: nothing secret comes from it.
    jitter: random.Random = field(default_factory=random.Random)

    @property
    def rules(self) -> Rules:
        """What the installation decided for all playbooks."""
        settings = self.settings
        return Rules(settings.news_window, settings.consent_default, settings.time_zone, settings.currency)

    @property
    def exchange(self) -> Exchange:
        """How other currencies become the reporting one."""
        return Exchange(self.settings.currency, self.settings.fx_rates)


def new_id() -> UUID:
    """A time-ordered id."""
    return UUID(bytes=uuid7().bytes)


PartsDep = Annotated[CampaignParts, Depends(parts_of)]
