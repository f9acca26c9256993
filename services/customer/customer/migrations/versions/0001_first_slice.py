"""Profiles, identifiers, merges, consents, and what the other services tell about a customer."""

from alembic import op

from chassis.migrations import create_chassis_tables

revision = "0001"
down_revision = None

_TABLES = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE customers (
    id uuid PRIMARY KEY,
    kind text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'organisation')),
    name text,
    country text,
    time_zone text,
    attributes jsonb NOT NULL DEFAULT '{}',
    provenance jsonb NOT NULL DEFAULT '{}',
    search text NOT NULL DEFAULT '',
    merged_into uuid REFERENCES customers,
    survivor_id uuid REFERENCES customers,
    version int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX customers_listed ON customers (created_at DESC, id DESC) WHERE survivor_id IS NULL;
CREATE INDEX customers_searched ON customers USING gin (search gin_trgm_ops);
CREATE INDEX customers_by_survivor ON customers (survivor_id) WHERE survivor_id IS NOT NULL;
CREATE INDEX customers_merged_into ON customers (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE identifiers (
    customer_id uuid NOT NULL REFERENCES customers,
    kind text NOT NULL CHECK (kind IN ('external', 'email', 'phone')),
    source text NOT NULL DEFAULT '',
    value text NOT NULL,
    identifying boolean NOT NULL,
    position int NOT NULL,
    known_from text NOT NULL,
    known_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, kind, source, value)
);
CREATE UNIQUE INDEX identifiers_one_owner ON identifiers (kind, source, value) WHERE identifying;
CREATE INDEX identifiers_by_external_id ON identifiers (value text_pattern_ops) WHERE kind = 'external';

CREATE TABLE merges (
    id uuid PRIMARY KEY,
    from_id uuid NOT NULL,
    into_id uuid NOT NULL,
    cause text NOT NULL CHECK (cause IN ('request', 'identity')),
    brought jsonb NOT NULL,
    merged_at timestamptz NOT NULL,
    undone_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX merges_in_force ON merges (from_id) WHERE undone_at IS NULL;
CREATE INDEX merges_by_survivor ON merges (into_id);

CREATE TABLE consents (
    customer_id uuid NOT NULL,
    channel text NOT NULL,
    purpose text NOT NULL,
    state text NOT NULL CHECK (state IN ('granted', 'denied', 'revoked', 'unknown')),
    proof text,
    source text NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, channel, purpose)
);
CREATE TABLE consent_history (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id uuid NOT NULL,
    channel text NOT NULL,
    purpose text NOT NULL,
    state text NOT NULL,
    proof text,
    source text NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX consent_history_by_customer ON consent_history (customer_id, seq);

CREATE TABLE interaction_counts (
    customer_id uuid NOT NULL,
    kind text NOT NULL,
    interaction_count bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, kind)
) WITH (fillfactor = 80);
CREATE TABLE recent_interactions (
    customer_id uuid NOT NULL,
    own_touch boolean NOT NULL,
    occurred_at timestamptz NOT NULL,
    id uuid NOT NULL,
    channel text NOT NULL,
    direction text,
    kind text NOT NULL,
    source text,
    source_id text,
    amount numeric,
    currency text,
    PRIMARY KEY (customer_id, own_touch, occurred_at, id)
);

CREATE TABLE standings (
    customer_id uuid PRIMARY KEY,
    scored_tier text,
    scored_stage text,
    tier_override text,
    stage_override text,
    tier text GENERATED ALWAYS AS (coalesce(tier_override, scored_tier)) STORED,
    stage text GENERATED ALWAYS AS (coalesce(stage_override, scored_stage)) STORED,
    scores jsonb,
    score_version bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 80);
CREATE INDEX standings_by_tier ON standings (tier, customer_id);
CREATE INDEX standings_by_stage ON standings (stage, customer_id);
CREATE TABLE standing_history (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id uuid NOT NULL,
    measure text NOT NULL CHECK (measure IN ('tier', 'stage')),
    before text,
    after text,
    cause text NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX standing_history_by_customer ON standing_history (customer_id, seq);

CREATE TABLE alerts (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'cleared')),
    facts jsonb NOT NULL,
    raised_at timestamptz,
    cleared_at timestamptz,
    version bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX alerts_by_customer ON alerts (customer_id, state);
CREATE TABLE actions (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('decided', 'delivered', 'failed')),
    facts jsonb NOT NULL,
    decided_at timestamptz NOT NULL,
    finished_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX actions_by_customer ON actions (customer_id, decided_at DESC);

CREATE TABLE erased_customers (
    id uuid PRIMARY KEY,
    erased_at timestamptz NOT NULL
)
"""


def upgrade() -> None:
    """Create everything."""
    create_chassis_tables(op)
    for statement in _TABLES.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    """There is nothing before the first slice."""
    raise NotImplementedError("restore a backup instead")
