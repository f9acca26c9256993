"""What the expected margin of a score rests on.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Scores of before were made by the prior, as far as anybody knows, until they are made anew."""
    op.execute(
        "ALTER TABLE scores ADD COLUMN value_model text NOT NULL DEFAULT 'value/prior', "
        "ADD COLUMN value_prior boolean NOT NULL DEFAULT true, ADD COLUMN margin_assumed boolean NOT NULL DEFAULT true"
    )


def downgrade() -> None:
    raise NotImplementedError("data is never thrown away by a migration")
