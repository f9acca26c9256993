"""The routing table: what leads where, and what leads nowhere."""

import pytest

from gateway.routes import ROUTES, SERVICES, is_open, service_for


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/v1/customers", "customer"),
        ("/v1/customers/0193", "customer"),
        ("/v1/customers/0193/360", "customer"),
        ("/v1/customers/by-external-id/shop/17850", "customer"),
        ("/v1/customers/0193/interactions", "interaction"),
        ("/v1/customers/0193/scores", "scoring"),
        ("/v1/merges/0193/undo", "customer"),
        ("/v1/interactions/bulk", "interaction"),
        ("/v1/hooks/shopify", "interaction"),
        ("/v1/models/churn/train", "scoring"),
        ("/v1/alerts/0193/assign", "scoring"),
        ("/v1/webhooks/endpoints/0193/rotate", "campaign"),
        ("/v1/call-list", "campaign"),
        ("/v1/keys/0193", "gateway"),
        ("/v1/jobs", "gateway"),
        ("/health/ready", "gateway"),
        ("/docs/assets/swagger-ui.css", "gateway"),
    ],
)
def test_a_path_leads_to_the_service_that_owns_it(path: str, service: str) -> None:
    assert service_for(path) == service


@pytest.mark.parametrize(
    "path",
    [
        "/", "", "/v1", "/v1/", "/v2/customers", "/internal/clock", "/v1/internal/clock", "/v1/nothing", "/customers",
        "/v1/customers/../../internal/clock", "/v1/./customers", "/v1/customers/..", "//v1/customers", "/V1/customers",
    ],
)  # fmt: skip
def test_what_is_not_in_the_table_leads_nowhere(path: str) -> None:
    assert service_for(path) is None


def test_no_entry_leads_to_internal_paths() -> None:
    assert not [path for path in ROUTES if "internal" in path]


def test_every_service_can_be_reached() -> None:
    assert set(SERVICES) <= set(ROUTES.values())


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/openapi.json", "/docs", "/docs/assets/x.js"])
def test_a_few_paths_need_no_key(path: str) -> None:
    assert is_open(path)


@pytest.mark.parametrize("path", ["/metrics", "/v1/keys", "/v1/clock", "/health", "/docsx", "/openapi.json/x"])
def test_every_other_path_needs_one(path: str) -> None:
    assert not is_open(path)
