"""What the service's use cases and handlers work with."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from chassis.clock import Clock
from chassis.database import Database
from chassis.dependencies import parts_of
from customer.settings import CustomerSettings


@dataclass(frozen=True, slots=True)
class CustomerParts:
    """The parts of a running customer service."""

    settings: CustomerSettings
    clock: Clock
    database: Database


Parts = Annotated[CustomerParts, Depends(parts_of)]
