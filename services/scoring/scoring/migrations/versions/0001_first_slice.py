"""Behaviour by day, what we believe of it, alerts and models."""

from alembic import op

from chassis.migrations import create_chassis_tables

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE customers (
    id uuid PRIMARY KEY,
    kind text NOT NULL DEFAULT 'person',
    attributes jsonb NOT NULL DEFAULT '{}',
    version int NOT NULL DEFAULT 0,
    margin_assumed boolean NOT NULL DEFAULT false,
    due_at timestamptz,
    due_cause text NOT NULL DEFAULT 'time' CHECK (due_cause IN ('time', 'history')),
    settled_at timestamptz
);
CREATE INDEX customers_due ON customers (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX customers_due_by_history ON customers (settled_at) WHERE due_cause = 'history' AND due_at IS NOT NULL;
CREATE TABLE erased (
    customer_id uuid PRIMARY KEY,
    erased_at timestamptz NOT NULL
);
CREATE TABLE aliases (
    from_id uuid PRIMARY KEY,
    into_id uuid NOT NULL,
    root_id uuid NOT NULL,
    merge_id uuid NOT NULL
);
CREATE INDEX aliases_by_into ON aliases (into_id);
CREATE INDEX aliases_by_root ON aliases (root_id);
CREATE TABLE undone_merges (
    merge_id uuid PRIMARY KEY
);
CREATE TABLE activity (
    customer_id uuid NOT NULL,
    day int NOT NULL,
    known_day int NOT NULL,
    purchase_count bigint NOT NULL,
    purchase_amount bigint NOT NULL,
    margin bigint NOT NULL,
    discount bigint NOT NULL,
    item_count bigint NOT NULL,
    return_count bigint NOT NULL,
    return_amount bigint NOT NULL,
    complaint_count bigint NOT NULL,
    severe_complaint_count bigint NOT NULL,
    praise_count bigint NOT NULL,
    contact_count bigint NOT NULL,
    visit_count bigint NOT NULL,
    usage_count bigint NOT NULL,
    payment_count bigint NOT NULL,
    late_days_sum bigint NOT NULL,
    rating_sum bigint NOT NULL,
    rating_count bigint NOT NULL,
    subscription_count bigint NOT NULL,
    cancellation_count bigint NOT NULL,
    PRIMARY KEY (customer_id, day, known_day)
) WITH (fillfactor = 90);
CREATE TABLE subscriptions (
    interaction_id uuid PRIMARY KEY,
    customer_id uuid NOT NULL,
    plan text NOT NULL,
    monthly_margin double precision NOT NULL,
    occurred_at timestamptz NOT NULL
);
CREATE INDEX subscriptions_by_customer ON subscriptions (customer_id, occurred_at);
CREATE TABLE scores (
    customer_id uuid PRIMARY KEY,
    version int NOT NULL,
    probability double precision NOT NULL,
    band text NOT NULL,
    base double precision NOT NULL,
    reasons jsonb,
    model text NOT NULL,
    prior boolean NOT NULL,
    contractual boolean NOT NULL,
    horizon_days int NOT NULL,
    expected_margin numeric NOT NULL,
    value_horizon_days int NOT NULL,
    tier text NOT NULL,
    stage text NOT NULL,
    scored_at timestamptz NOT NULL,
    told_probability double precision NOT NULL,
    waiting_profit double precision,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX scores_waiting ON scores (waiting_profit DESC) WHERE waiting_profit IS NOT NULL AND NOT prior;
CREATE TABLE alerts (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'acted', 'snoozed', 'dismissed', 'cleared')),
    version int NOT NULL,
    probability double precision NOT NULL,
    band text NOT NULL,
    horizon_days int NOT NULL,
    model text NOT NULL,
    scored_at timestamptz NOT NULL,
    reasons jsonb NOT NULL,
    expected_margin numeric NOT NULL,
    expected_profit numeric NOT NULL,
    told_probability double precision NOT NULL,
    told_profit double precision NOT NULL,
    tier text NOT NULL,
    stage text NOT NULL,
    assumptions jsonb NOT NULL,
    recommended text,
    from_history boolean NOT NULL,
    assignee text,
    notes jsonb NOT NULL DEFAULT '[]',
    raised_at timestamptz NOT NULL,
    snoozed_until timestamptz,
    cleared_at timestamptz,
    clear_cause text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX alerts_one_open ON alerts (customer_id) WHERE state IN ('open', 'acted', 'snoozed');
CREATE INDEX alerts_by_customer ON alerts (customer_id, raised_at DESC);
CREATE INDEX alerts_by_profit ON alerts (state, expected_profit DESC, id DESC);
CREATE INDEX alerts_by_time ON alerts (state, raised_at DESC, id DESC);
CREATE INDEX alerts_all_by_profit ON alerts (expected_profit DESC, id DESC);
CREATE INDEX alerts_all_by_time ON alerts (raised_at DESC, id DESC);
CREATE INDEX alerts_from_history ON alerts (raised_at) WHERE from_history;
CREATE TABLE alert_policy (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version int NOT NULL,
    policy jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE models (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    variant text NOT NULL,
    number int NOT NULL,
    state text NOT NULL CHECK (state IN ('candidate', 'champion', 'retired')),
    report jsonb NOT NULL,
    parameters jsonb NOT NULL,
    data_hash text NOT NULL,
    content bytea NOT NULL,
    sha256 text NOT NULL,
    signature text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    promoted_at timestamptz,
    UNIQUE (kind, number)
);
CREATE UNIQUE INDEX models_one_champion ON models (kind, variant) WHERE state = 'champion'
"""


def upgrade() -> None:
    create_chassis_tables(op)
    for statement in TABLES.strip().split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("data is never thrown away by a migration")
