"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    big_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "job",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("cell", sa.Text, nullable=False),
        sa.UniqueConstraint("name", "cell"),
    )
    op.create_table(
        "agent",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uuid", sa.String(36), nullable=False, unique=True),
        sa.Column("name", sa.String(128)),
    )
    op.create_table(
        "spec",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("task", sa.Text, nullable=False),
    )
    op.create_table(
        "task",
        sa.Column("id", big_id, primary_key=True, autoincrement=False),
        sa.Column("job_id", sa.Integer),
        sa.Column("spec_id", sa.Integer, nullable=False),
        sa.Column("agent_id", sa.Integer, nullable=False),
        sa.Column("scheduled_ms", sa.BigInteger),
        sa.Column("timeout_ms", sa.Integer, nullable=False),
        sa.Column("sent_ms", sa.BigInteger),
        sa.Column("started_ms", sa.BigInteger),
        sa.Column("finished_ms", sa.BigInteger),
        sa.Column("stored_ms", sa.BigInteger),
        sa.Column("success", sa.Boolean),
        sa.Column("reason", sa.SmallInteger),
        sa.Column("latency_ms", sa.Float),
        sa.Column("token", sa.String(10), nullable=False),
        sa.Column("flags", sa.SmallInteger, nullable=False, server_default="0"),
    )
    _index("task_tick", ["scheduled_ms", "job_id", "agent_id"], "scheduled_ms IS NOT NULL", unique=True)
    _index("task_job_finished", ["job_id", "finished_ms"], "finished_ms IS NOT NULL")
    _index("task_agent_finished", ["agent_id", "finished_ms"], "finished_ms IS NOT NULL")
    _index("task_running", ["id"], "finished_ms IS NULL")
    op.create_table(
        "task_result",
        sa.Column("task_id", big_id, primary_key=True, autoincrement=False),
        sa.Column("error_message", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("detail", sa.Text),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("valid_from_ms", sa.BigInteger),
        sa.Column("valid_to_ms", sa.BigInteger),
        sa.Column("limits", sa.Text, nullable=False),
        sa.Column("username", sa.String(128), unique=True),
        sa.Column("password_hash", sa.String(256)),
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )


def _index(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "task", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
