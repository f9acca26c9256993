"""The customer service over HTTP."""

from customer.endpoints.bulk import router as bulk
from customer.endpoints.consents import router as consents
from customer.endpoints.customers import router as customers
from customer.endpoints.merges import router as merges
from customer.endpoints.overview import router as overview
from customer.endpoints.privacy import router as privacy

ROUTERS = (bulk, customers, consents, overview, merges, privacy)
