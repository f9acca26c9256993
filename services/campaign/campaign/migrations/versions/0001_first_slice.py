"""Offers, playbooks, decisions, deliveries, partner endpoints, and local copies of customers and alerts.

Revision ID: 0001
"""

from alembic import op

from chassis.migrations import create_chassis_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_OFFERS_AND_PLAYBOOKS = """
CREATE TABLE offers (
    key text PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    name text NOT NULL,
    kind text NOT NULL,
    cost numeric NOT NULL CHECK (cost >= 0),
    currency text NOT NULL,
    save_rate double precision,
    active boolean NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE playbooks (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    priority integer NOT NULL,
    active boolean NOT NULL,
    rule jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE budgets (
    playbook_id uuid NOT NULL,
    period_start date NOT NULL,
    period text NOT NULL,
    spent numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (playbook_id, period, period_start)
);
"""

_CUSTOMERS = """
CREATE TABLE customers (
    customer_id uuid PRIMARY KEY,
    time_zone text,
    profile_version integer NOT NULL DEFAULT 0,
    tier text,
    stage text,
    probability double precision,
    scored_at timestamptz,
    score_version integer NOT NULL DEFAULT 0,
    erased_at timestamptz
);
CREATE TABLE contacts (
    customer_id uuid PRIMARY KEY,
    name text,
    email text,
    phone text,
    version integer NOT NULL
);
CREATE TABLE consents (
    customer_id uuid NOT NULL,
    channel text NOT NULL,
    purpose text NOT NULL,
    state text NOT NULL,
    changed_at timestamptz NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (customer_id, channel, purpose)
);
CREATE TABLE aliases (
    customer_id uuid PRIMARY KEY,
    lives_on_as uuid NOT NULL
);
CREATE INDEX aliases_lives_on_as ON aliases (lives_on_as);
"""

_DECISIONS = """
CREATE TABLE alerts (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL,
    state text NOT NULL,
    version integer NOT NULL,
    held_out boolean NOT NULL DEFAULT false,
    snapshot jsonb NOT NULL,
    backfill boolean NOT NULL,
    event_id uuid NOT NULL,
    traceparent text,
    correlation_id text,
    updated_at timestamptz NOT NULL
);
CREATE INDEX alerts_customer ON alerts (customer_id);
CREATE TABLE decisions (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL,
    alert_id uuid NOT NULL,
    alert_version integer NOT NULL,
    playbook_id uuid,
    playbook text,
    action jsonb,
    outcome text NOT NULL CHECK (outcome IN ('act', 'hold_out', 'suppressed', 'deferred', 'expired')),
    gates jsonb NOT NULL,
    expected_profit numeric NOT NULL,
    currency text NOT NULL,
    decided_at timestamptz NOT NULL,
    due_at timestamptz,
    resolved_by uuid,
    event_id uuid,
    caused_by uuid,
    trace_id text,
    alert jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
-- Whatever happens to locks: an alert leads to one action at most.
CREATE UNIQUE INDEX decisions_one_act ON decisions (alert_id) WHERE outcome = 'act';
CREATE INDEX decisions_customer ON decisions (customer_id, id DESC);
CREATE INDEX decisions_playbook ON decisions (playbook_id, id DESC);
CREATE INDEX decisions_outcome ON decisions (outcome, id DESC);
CREATE INDEX decisions_alert ON decisions (alert_id);
CREATE INDEX decisions_acts ON decisions (customer_id, decided_at) WHERE outcome = 'act';
CREATE INDEX decisions_due ON decisions (due_at) WHERE outcome = 'deferred' AND resolved_by IS NULL;
CREATE TABLE call_tasks (
    id uuid PRIMARY KEY,
    decision_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    expected_profit numeric NOT NULL,
    currency text NOT NULL,
    state text NOT NULL DEFAULT 'open',
    outcome text,
    note text,
    completed_by text,
    completed_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX call_tasks_open ON call_tasks (expected_profit DESC, id) WHERE state = 'open';
CREATE INDEX call_tasks_customer ON call_tasks (customer_id);
"""

_WEBHOOKS = """
CREATE TABLE webhook_endpoints (
    id uuid PRIMARY KEY,
    owner text NOT NULL,
    url text NOT NULL,
    event_types text[] NOT NULL,
    payload text NOT NULL,
    include_hold_out boolean NOT NULL,
    state text NOT NULL DEFAULT 'enabled',
    disabled_cause text,
    version integer NOT NULL DEFAULT 1,
    failing_since timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX webhook_endpoints_owner ON webhook_endpoints (owner, id);
CREATE TABLE webhook_secrets (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE INDEX webhook_secrets_endpoint ON webhook_secrets (endpoint_id);
CREATE TABLE messages (
    event_id uuid PRIMARY KEY,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE deliveries (
    id uuid PRIMARY KEY,
    lane text NOT NULL,
    channel text NOT NULL,
    endpoint_id uuid,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    customer_id uuid,
    decision_id uuid,
    alert_id uuid,
    offer text,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'succeeded', 'failed')),
    told text,
    attempt_count integer NOT NULL DEFAULT 0,
    round_count integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    leased_until timestamptz,
    correlation_id text,
    traceparent text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX deliveries_once ON deliveries (endpoint_id, event_id) WHERE endpoint_id IS NOT NULL;
-- For the dispatcher: what is due, by lane; a lane is an endpoint, or a channel that has none.
CREATE INDEX deliveries_due ON deliveries (lane, next_attempt_at) WHERE state = 'pending';
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, id DESC);
CREATE INDEX deliveries_decision ON deliveries (decision_id) WHERE decision_id IS NOT NULL;
CREATE INDEX deliveries_customer ON deliveries (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX deliveries_created ON deliveries (created_at);
CREATE TABLE attempts (
    delivery_id uuid NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    status integer,
    duration_ms integer NOT NULL,
    error text,
    response text,
    PRIMARY KEY (delivery_id, number)
);
"""


def upgrade() -> None:
    """Create what the first slice needs."""
    create_chassis_tables(op)
    for statements in (_OFFERS_AND_PLAYBOOKS, _CUSTOMERS, _DECISIONS, _WEBHOOKS):
        for statement in statements.split(";\n"):
            if statement.strip():
                op.execute(statement)
