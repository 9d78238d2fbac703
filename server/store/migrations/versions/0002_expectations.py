"""What a job expects, its measuring options and its target, beside its task object."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add them; a spec that is there has none."""
    for name in ("expect", "options", "target"):
        op.add_column("spec", sa.Column(name, sa.Text))
