"""What the campaign service may be told from outside, beyond what all services share."""

import re
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from campaign.domain.addresses import Network
from chassis.settings import Settings, Span, Words

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _spans(value: Any) -> Any:
    """Read `0, 5s, 5m, 2h`."""
    if not isinstance(value, str):
        return value
    found = [_SPAN.fullmatch(part.strip()) for part in value.split(",")]
    if not all(found):
        raise ValueError(f"{value!r} is no list of delays such as 0,5s,5m,2h")
    return [timedelta(seconds=float(match[1]) * _UNIT_SECONDS[match[2]]) for match in found if match]


Spans = Annotated[list[timedelta], NoDecode, BeforeValidator(_spans)]


class CampaignSettings(Settings):
    """Channels and partner webhooks."""

    webhook_allow_networks: Words = Field(
        [], description="Networks that webhooks may reach although they are not public: `127.0.0.0/8,10.1.0.0/16`"
    )
    webhook_schedule: Spans = Field(
        _spans("0,5s,5m,30m,2h,5h,10h,14h,20h,24h"),
        min_length=1,
        description="Delays before each attempt of a delivery, ±20 %; after the last one it has failed",
    )
    webhook_timeout: Span = Field(timedelta(seconds=15), description="Longest time one attempt may take in all")
    webhook_concurrency: int = Field(16, ge=1, le=1000, description="Most attempts under way per endpoint at once")
    webhook_rate: int = Field(0, ge=0, le=100_000, description="Most attempts a second per endpoint; 0: no limit")
    webhook_breaker_failures: int = Field(
        10, ge=1, description="Failures in a row after which an endpoint gets a pause"
    )
    webhook_breaker_pause: Span = Field(timedelta(seconds=30), description="That pause; then one attempt probes")
    webhook_disable_after: Span = Field(
        timedelta(days=5), description="An endpoint that only fails for so long is disabled"
    )
    webhook_rotation_overlap: Span = Field(
        timedelta(hours=24), description="How long an endpoint's previous secret still signs after a rotation"
    )
    delivery_retention: Span = Field(timedelta(days=30), description="Finished deliveries are kept for so long")
    smtp_url: SecretStr = Field(
        SecretStr(""), description="`smtp://user:password@host:587` or `smtps://…`; empty: no e-mail is sent"
    )
    smtp_from: str = Field("stave@localhost", description="Sender of e-mails")
    smtp_timeout: Span = Field(timedelta(seconds=30), description="Longest time one e-mail may take")

    @field_validator("webhook_allow_networks")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for network in value:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"{network!r} is no network such as 127.0.0.0/8") from error
        return value

    @property
    def allowed_networks(self) -> tuple[Network, ...]:
        """The networks opened by name."""
        return tuple(ip_network(network) for network in self.webhook_allow_networks)
