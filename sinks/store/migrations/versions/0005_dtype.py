"""The compute type of a score: thresholds rest on scores of one type."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("dtype", sa.String(16)))
