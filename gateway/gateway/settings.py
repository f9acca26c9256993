"""What the gateway may be told beyond what every part is told."""

from datetime import timedelta

from pydantic import Field

from chassis.settings import Settings, Span


class GatewaySettings(Settings):
    """Limits at the door, and where the services are in the distributed shape."""

    rate_limit: float = Field(1000, gt=0, description="Requests per second that one key may make, in the long run")
    rate_burst: int = Field(2000, ge=1, description="Requests that one key may make at once")
    max_body: int = Field(16 * 1024 * 1024, ge=1024, description="Largest request body, in bytes")
    request_deadline: Span = Field(timedelta(seconds=30), description="How long a service may take to begin its answer")
    max_in_flight: int = Field(512, ge=1, description="Requests answered at one time; more are shed with 503")
    metrics_open: bool = Field(False, description="Let /metrics be read without a key")
    customer_url: str = Field("http://customer:8080", description="Where the customer service listens")
    interaction_url: str = Field("http://interaction:8080", description="Where the interaction service listens")
    scoring_url: str = Field("http://scoring:8080", description="Where the scoring service listens")
    campaign_url: str = Field("http://campaign:8080", description="Where the campaign service listens")
