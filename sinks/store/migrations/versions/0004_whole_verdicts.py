"""The rest of a verdict: its shadow's, what the cache did, what the model took."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("step_ns", sa.BigInteger),
        sa.Column("shadow_version", sa.String(80)),
        sa.Column("shadow_score", sa.Double),
        sa.Column("shadow_outcome", sa.String(16)),
        sa.Column("cache_reused_fraction", sa.Double),
        sa.Column("cache_score_error", sa.Double),
    ):
        op.add_column("events", column)
