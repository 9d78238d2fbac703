"""
The first tables.

On PostgreSQL ``task`` is in parts by ``day``, the days since the epoch of its scheduled time or else of its making. The
check ties a tick's day to its time: with it the unique key, which must have the day, forbids a second tick anywhere.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_A_TICKS_DAY = (
    "scheduled_ms IS NULL OR scheduled_ms >= day::bigint * 86400000 AND scheduled_ms < (day::bigint + 1) * 86400000"
)


def upgrade() -> None:
    """Create them."""
    big_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "job",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", _text(128), nullable=False),
        sa.Column("cell", _text(), nullable=False),
        sa.UniqueConstraint("name", "cell"),
    )
    op.create_table(
        "agent",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uuid", _text(36), nullable=False, unique=True),
        sa.Column("name", _text(128)),
    )
    op.create_table(
        "spec",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hash", _text(64), nullable=False, unique=True),
        sa.Column("task", _text(), nullable=False),
    )
    _create_task()
    op.create_table(
        "task_result",
        sa.Column("task_id", big_id, primary_key=True, autoincrement=False),
        sa.Column("error_message", _text()),
        sa.Column("result", _text()),
        sa.Column("detail", _text()),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", _text(64), nullable=False, unique=True),
        sa.Column("secret_hash", _text(64), nullable=False),
        sa.Column("valid_from_ms", sa.BigInteger),
        sa.Column("valid_to_ms", sa.BigInteger),
        sa.Column("limits", _text(), nullable=False),
        sa.Column("username", _text(128), unique=True),
        sa.Column("password_hash", _text(256)),
    )
    op.create_table(
        "setting",
        sa.Column("name", _text(64), primary_key=True),
        sa.Column("value", _text(), nullable=False),
    )


def _create_task() -> None:
    in_parts = op.get_bind().dialect.name == "postgresql"
    id_ = sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False)
    day = sa.Column("day", sa.Integer, primary_key=True, autoincrement=False)
    op.create_table(
        "task",
        id_,
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
        sa.Column("token", _text(10), nullable=False),
        sa.Column("flags", sa.SmallInteger, nullable=False, server_default="0"),
        *((day, sa.CheckConstraint(_A_TICKS_DAY, name="task_day")) if in_parts else ()),
        postgresql_partition_by="RANGE (day)",
    )
    tick = ["scheduled_ms", "job_id", "agent_id", *(["day"] if in_parts else [])]
    _index("task_tick", tick, "scheduled_ms IS NOT NULL", unique=True)
    _index("task_job_finished", ["job_id", "finished_ms"], "finished_ms IS NOT NULL")
    _index("task_agent_finished", ["agent_id", "finished_ms"], "finished_ms IS NOT NULL")
    _index("task_running", ["id"], "finished_ms IS NULL")
    if in_parts:
        op.execute("CREATE TABLE task_of_no_day PARTITION OF task DEFAULT")


def _text(length: int | None = None) -> sa.types.TypeEngine[str]:
    """Text; on PostgreSQL of any length, and in the order of its bytes wherever the database stands."""
    text = sa.Text() if length is None else sa.String(length)
    return text.with_variant(sa.Text(collation="C"), "postgresql")


def _index(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "task", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
