"""What the service's handlers, jobs and endpoints work with."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from chassis.clock import Clock
from chassis.database import Database
from chassis.dependencies import parts_of
from scoring.serving import ModelShelf
from scoring.settings import ScoringSettings


@dataclass(frozen=True, slots=True)
class ScoringParts:
    """Handed to whoever asks; nothing here is global."""

    settings: ScoringSettings
    clock: Clock
    database: Database
    models: ModelShelf


PartsDep = Annotated[ScoringParts, Depends(parts_of)]
