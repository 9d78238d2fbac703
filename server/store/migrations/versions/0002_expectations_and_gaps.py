"""What a job expects, its measuring options and its target, beside its task object; and ticks that were missed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add them; a spec that is there has nothing of it."""
    for name in ("expect", "options", "target"):
        op.add_column("spec", sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql")))
    op.create_table(
        "gap",
        sa.Column("name", sa.String(128).with_variant(sa.Text(collation="C"), "postgresql"), primary_key=True),
        sa.Column("from_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("to_ms", sa.BigInteger, nullable=False),
        sa.Column("ticks", sa.Integer, nullable=False),
    )
