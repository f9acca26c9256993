"""What we do: playbooks turn churn alerts into decisions, channels and partner webhooks carry them out."""
