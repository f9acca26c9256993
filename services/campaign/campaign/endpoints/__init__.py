"""HTTP in, HTTP out; no rule and no SQL."""

from campaign.endpoints import call_list, decisions, offers, playbooks, webhook_deliveries, webhook_endpoints

ROUTERS = [
    offers.router,
    playbooks.router,
    decisions.router,
    call_list.router,
    webhook_endpoints.router,
    webhook_deliveries.router,
]
