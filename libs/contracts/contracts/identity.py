"""The one rule by which a customer known only by an external id gets the same id in every service."""

from uuid import UUID, uuid5


def customer_id_for(installation_id: UUID, source: str, external_id: str) -> UUID:
    """UUIDv5 (RFC 9562 §5.5) of (source, external id) in the installation's namespace."""
    return uuid5(installation_id, f"{source}\n{external_id}")
