"""Events, drops and the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

OUTCOMES = ("pass", "fail", "review", "invalid", "late", "unscored")


def _stream() -> list[sa.Column[str] | sa.Column[int]]:
    return [
        sa.Column("station", sa.String(64), nullable=False),
        sa.Column("line", sa.String(64), nullable=False),
        sa.Column("camera", sa.String(64), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("event_id", sa.String(36), primary_key=True),
        *_stream(),
        sa.Column("frame_id", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(40)),
        sa.Column("anomaly_score", sa.Double),
        sa.Column("fail_threshold", sa.Double),
        sa.Column("review_threshold", sa.Double),
        sa.Column("captured_ns", sa.BigInteger, nullable=False),
        sa.Column("decoded_ns", sa.BigInteger, nullable=False),
        sa.Column("received_ns", sa.BigInteger, nullable=False),
        sa.Column("scored_ns", sa.BigInteger),
        sa.Column("emitted_ns", sa.BigInteger, nullable=False),
        sa.Column("arrived_ns", sa.BigInteger, nullable=False),
        sa.Column("deadline_ns", sa.BigInteger),
        sa.Column("source_pts_ns", sa.BigInteger),
        sa.Column("memory_version", sa.String(80)),
        sa.Column("model", sa.String(120)),
        sa.Column("weights_sha256", sa.String(64)),
        sa.Column("preset", sa.String(40)),
        sa.Column("evidence", sa.String(400)),
        sa.UniqueConstraint("station", "line", "camera", "epoch", "frame_id", name="events_frame"),
    )
    op.create_index("events_captured", "events", ["captured_ns", "event_id"])
    op.create_table(
        "drops",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        *_stream(),
        sa.Column("first_frame_id", sa.BigInteger, nullable=False),
        sa.Column("last_frame_id", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("noted_ns", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "drops_stream", "drops", ["station", "line", "camera", "epoch", "first_frame_id"]
    )
    op.create_index("drops_noted", "drops", ["noted_ns"])
    op.create_table(
        "ledger",
        *_stream(),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("decoded", sa.BigInteger, nullable=False),
        sa.Column("admitted", sa.BigInteger, nullable=False),
        *[sa.Column(f"num_{name}", sa.BigInteger, nullable=False) for name in OUTCOMES],
        sa.Column("unscored_reasons", sa.JSON, nullable=False),
        sa.Column("settled", sa.JSON, nullable=False),
        sa.Column("pruned", sa.JSON, nullable=False),
        sa.Column("opened_ns", sa.BigInteger, nullable=False),
        sa.Column("closed_ns", sa.BigInteger),
        sa.Column("updated_ns", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("station", "line", "camera", "epoch", name="ledger_stream"),
    )
    op.create_index("ledger_state", "ledger", ["state"])


def downgrade() -> None:
    for table in ("ledger", "drops", "events"):
        op.drop_table(table)
