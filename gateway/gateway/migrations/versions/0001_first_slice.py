"""API keys and the audit trail.

The gateway publishes and consumes nothing and runs no jobs, so it takes none of the chassis's tables.
"""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.execute("""
        CREATE TABLE api_keys (
            id uuid PRIMARY KEY,
            name text NOT NULL,
            prefix text NOT NULL UNIQUE,
            secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
            scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
            created_by text NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            expires_at timestamptz,
            revoked_at timestamptz
        )
    """)
    op.execute("CREATE INDEX api_keys_listed ON api_keys (created_at, id)")
    op.execute("""
        CREATE TABLE audit (
            seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at timestamptz NOT NULL,
            subject text NOT NULL,
            method text NOT NULL,
            path text NOT NULL,
            status int NOT NULL,
            trace_id text NOT NULL
        )
    """)
    op.execute("CREATE INDEX audit_by_time ON audit USING brin (at)")
    # Append-only, also for the gateway's own role: a row that was written stays as it was written.
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the audit trail is append-only';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON audit
        FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """)
