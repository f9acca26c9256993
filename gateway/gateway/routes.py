"""Which service answers which path: one table, and nothing that is not in it can be reached."""

from collections.abc import Mapping

OWN = "gateway"

# `*` stands for one segment. A path belongs to the longest entry that begins it, so what a customer's page shows of
# another service is listed beside the customer's own. Nothing leads to a service's `/internal`.
ROUTES: Mapping[str, str] = {
    "/v1/customers": "customer",
    "/v1/merges": "customer",
    "/v1/interactions": "interaction",
    "/v1/customers/*/interactions": "interaction",
    "/v1/hooks": "interaction",
    "/v1/models": "scoring",
    "/v1/scores": "scoring",
    "/v1/customers/*/scores": "scoring",
    "/v1/features": "scoring",
    "/v1/alert-policy": "scoring",
    "/v1/alerts": "scoring",
    "/v1/offers": "campaign",
    "/v1/playbooks": "campaign",
    "/v1/audiences": "campaign",
    "/v1/campaigns": "campaign",
    "/v1/journeys": "campaign",
    "/v1/decisions": "campaign",
    "/v1/actions": "campaign",
    "/v1/call-list": "campaign",
    "/v1/webhooks": "campaign",
    "/v1/keys": OWN,
    "/v1/jobs": OWN,
    "/v1/dead-letters": OWN,
    "/v1/backlog": OWN,
    "/v1/clock": OWN,
    "/health": OWN,
    "/metrics": OWN,
    "/openapi.json": OWN,
    "/docs": OWN,
}

SERVICES = ("customer", "interaction", "scoring", "campaign")

# What may be asked without a key. Everything else is refused without one.
_OPEN_PATHS = frozenset({"/health/live", "/health/ready", "/openapi.json", "/docs"})
_OPEN_PREFIX = "/docs/"

_DOT_SEGMENTS = frozenset({".", ".."})


def service_for(path: str) -> str | None:
    """The service that answers a path; None for a path that nobody answers.

    A path with `.` or `..` in it is nobody's: an HTTP client on the way could fold it into another one.
    """
    segments = path.split("/")
    if not _DOT_SEGMENTS.isdisjoint(segments):
        return None
    if len(segments) < 3 or segments[1] != "v1":
        return ROUTES.get(f"/{segments[1]}") if segments[0] == "" and len(segments) > 1 else None
    if len(segments) > 4 and (nested := ROUTES.get(f"/v1/{segments[2]}/*/{segments[4]}")):
        return nested
    return ROUTES.get(f"/v1/{segments[2]}")


def is_open(path: str) -> bool:
    """Whether a path may be asked without a key."""
    return path in _OPEN_PATHS or path.startswith(_OPEN_PREFIX)
