"""The log, its deduplication, and the local map of identities."""

from alembic import op

from chassis.migrations import create_chassis_tables

revision = "0001"
down_revision = None

# Deduplication has a table of its own, so that the log can be partitioned by time. Keys compare by bytes ("C"), which
# is both faster and independent of the server's locale.
TABLES = """
CREATE TABLE interactions (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL,
    source text NOT NULL,
    source_id text NOT NULL,
    channel text NOT NULL,
    direction text NOT NULL,
    kind text NOT NULL,
    occurred_at timestamptz NOT NULL,
    known_at timestamptz NOT NULL,
    amount numeric(20, 6),
    currency text,
    cost_to_serve numeric(20, 6),
    margin numeric(20, 6),
    margin_assumed boolean NOT NULL,
    discount numeric(20, 6),
    lines jsonb,
    properties jsonb,
    backfill boolean NOT NULL,
    trace_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX interactions_timeline ON interactions (customer_id, occurred_at DESC, id DESC);
CREATE TABLE deduplication (
    source text COLLATE "C" NOT NULL,
    source_id text COLLATE "C" NOT NULL,
    interaction_id uuid NOT NULL,
    body_hash bigint NOT NULL,
    PRIMARY KEY (source, source_id)
);
CREATE TABLE identities (
    source text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    customer_id uuid NOT NULL,
    PRIMARY KEY (source, external_id)
);
CREATE INDEX identities_customer ON identities (customer_id);
CREATE TABLE customers (
    id uuid PRIMARY KEY,
    merge_id uuid,
    into_id uuid,
    merged_at timestamptz,
    survivor_id uuid,
    erased_at timestamptz
);
CREATE INDEX customers_survivor ON customers (survivor_id) WHERE survivor_id IS NOT NULL;
CREATE INDEX customers_into ON customers (into_id) WHERE into_id IS NOT NULL;
"""


def upgrade() -> None:
    """Create the tables."""
    create_chassis_tables(op)
    for statement in TABLES.strip().split(";\n"):
        op.execute(statement)
