"""The customer service: who the customer is, across all sources and channels."""
