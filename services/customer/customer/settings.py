"""What the customer service can be told beyond the shared settings."""

from pydantic import Field

from chassis.settings import Settings, Words


class CustomerSettings(Settings):
    """Settings of the customer service."""

    personal_attributes: Words = Field(
        [], description="Attribute keys that are personal data: kept here, left out of every event"
    )
