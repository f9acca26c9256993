"""How a message reaches a partner or a customer."""
