"""The customer service's migrations."""
