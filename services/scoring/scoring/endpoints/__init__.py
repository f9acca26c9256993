"""The HTTP face of scoring."""

from scoring.endpoints import alert_policy, alerts, features, models, scores

ROUTERS = (scores.router, features.router, alert_policy.router, alerts.router, models.router)
"""Every router, in the order of the documentation."""
