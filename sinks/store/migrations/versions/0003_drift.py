"""Whether scores left their calibration."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("drift_evidence", sa.Double))
    op.add_column("events", sa.Column("drift_alarm", sa.String(10)))
