"""What the PLC was told of a verdict, beside what is booked."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("plc_name", sa.String(64)))
    op.add_column("events", sa.Column("plc_told", sa.String(16)))
    op.add_column("events", sa.Column("plc_told_ns", sa.BigInteger()))
    op.add_column("events", sa.Column("plc_num_results", sa.BigInteger()))
    told = sa.Column("told", sa.JSON, nullable=False, server_default="{}")
    op.add_column("ledger", told)
    otherwise = sa.Column("told_otherwise", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("ledger", otherwise)
