"""Settings every service shares, read from the environment or `.env`; services add their own by subclassing."""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _span(value: Any) -> Any:
    """Read `90s`, `48h`, `30d`; leave ISO 8601 durations and numbers of seconds to pydantic."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", value.strip())):
        return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    return value


def _words(value: Any) -> Any:
    """Read `a,b` as a list."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _rates(value: Any) -> Any:
    """Read `USD=0.92,GBP=1.15`: how much of the reporting currency one unit is worth."""
    if isinstance(value, str):
        return dict(pair.split("=", 1) for pair in _words(value) if "=" in pair)
    return value


Span = Annotated[timedelta, BeforeValidator(_span)]
Words = Annotated[list[str], NoDecode, BeforeValidator(_words)]
Rates = Annotated[dict[str, Decimal], NoDecode, BeforeValidator(_rates)]


class Settings(BaseSettings):
    """What every part of Stave may be told from outside."""

    model_config = SettingsConfigDict(env_prefix="STAVE_", env_file=".env", extra="ignore", frozen=True)

    environment: Literal["development", "production"] = Field(
        "development", description="`production` refuses to start on defaults that are only safe on a laptop"
    )
    database_url: str = Field(
        "postgresql://stave@localhost:5432", description="The PostgreSQL server; a database per service on it"
    )
    event_log_url: str = Field(
        "", description="`postgresql://…` or `kafka://host:port,…`; empty: tables on the same server"
    )
    secret_key_file: Path | None = Field(None, description="File with the key that signs and encrypts (32+ bytes)")
    secret_key: SecretStr = Field(SecretStr(""), description="The key itself, where a file will not do")
    installation_id: UUID = Field(
        UUID("5357a7e0-0000-5000-8000-000000000000"), description="Namespace of ids minted from external ids"
    )
    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$", description="The one reporting currency (ISO 4217)")
    fx_rates: Rates = Field({}, description="`USD=0.92,…`: worth of one unit in the reporting currency")
    time_zone: str = Field("UTC", description="Fallback zone for quiet hours (IANA)")
    clock: Literal["system", "virtual"] = Field(
        "system", description="`virtual`: business time is set by PUT /v1/clock"
    )
    news_window: Span = Field(timedelta(hours=48), description="How old an interaction may be and still be news")
    lost_after: Span = Field(timedelta(days=180), description="Silence after which a customer is lost")
    max_new_alerts_per_day: int = Field(200, ge=0, description="Alerts opened from history, per business day")
    margin_rate: Decimal = Field(
        Decimal("0.25"), ge=0, le=1, description="Share of an amount that is margin, if unknown"
    )
    consent_default: Literal["granted", "denied"] = Field("denied", description="What an unknown consent counts as")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged")
    cors_origins: Words = Field([], description="Origins of frontends that may call the API from a browser")
    database_urls: Mapping[str, str] = Field(
        {}, description="Overrides by service; set by STAVE_<SERVICE>_DATABASE_URL"
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(value)
        except Exception as error:
            raise ValueError(f"{value!r} is no IANA time zone such as Europe/Berlin") from error
        return value

    def database_url_for(self, name: str) -> str:
        """The URL of one service's database; STAVE_<NAME>_DATABASE_URL wins."""
        from os import environ

        override = self.database_urls.get(name) or environ.get(f"STAVE_{name.upper()}_DATABASE_URL")
        return override or with_database(self.database_url, f"stave_{name}")

    @property
    def log_url(self) -> str:
        """Where the event log is: by default a database of its own on the same server."""
        return self.event_log_url or with_database(self.database_url, "stave_event_log")

    @cached_property
    def key(self) -> bytes:
        """The secret key; only development may go without one."""
        if self.secret_key_file is not None:
            return self.secret_key_file.read_bytes().strip()
        if secret := self.secret_key.get_secret_value():
            return secret.encode()
        if self.environment == "production":
            raise ValueError("STAVE_SECRET_KEY_FILE is not set: production does not start without a key of its own")
        return b"stave-development-key-not-for-production"


def with_database(server_url: str, database: str) -> str:
    """The same server, another database."""
    parts = urlsplit(server_url)
    return urlunsplit((parts.scheme, parts.netloc, f"/{database}", parts.query, ""))
