"""The use cases of the customer service."""
