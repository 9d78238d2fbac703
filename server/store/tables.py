"""
The tables. Rows of ``task`` are small because most ticks say the same again: names and task objects stand once.

Changes come as migrations; the first of them creates what stands here.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

from server.store.text import EscapedText

metadata = MetaData()


def _text(length: int | None = None) -> TypeEngine[str]:
    """Text; PostgreSQL knows no length and no NUL."""
    return (Text() if length is None else String(length)).with_variant(EscapedText(), "postgresql")


job = Table(
    "job",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", _text(128), nullable=False),
    Column("cell", _text(), nullable=False),
    UniqueConstraint("name", "cell"),
)

agent = Table(
    "agent",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", _text(36), nullable=False, unique=True),
    Column("name", _text(128)),
)

spec = Table(
    "spec",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hash", _text(64), nullable=False, unique=True),
    Column("task", _text(), nullable=False),
    Column("expect", _text()),
    Column("options", _text()),
    Column("target", _text()),
)

task = Table(
    "task",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("job_id", Integer),
    Column("spec_id", Integer, nullable=False),
    Column("agent_id", Integer, nullable=False),
    Column("scheduled_ms", BigInteger),
    Column("timeout_ms", Integer, nullable=False),
    Column("sent_ms", BigInteger),
    Column("started_ms", BigInteger),
    Column("finished_ms", BigInteger),
    Column("stored_ms", BigInteger),
    Column("success", Boolean),
    Column("reason", SmallInteger),
    Column("latency_ms", Float),
    Column("token", _text(10), nullable=False),
    Column("flags", SmallInteger, nullable=False, server_default="0"),
)

# Never twice: the key of a tick. In time order, so that new rows always go to its right edge.
Index(
    "task_tick",
    task.c.scheduled_ms,
    task.c.job_id,
    task.c.agent_id,
    unique=True,
    sqlite_where=task.c.scheduled_ms.is_not(None),
    postgresql_where=task.c.scheduled_ms.is_not(None),
)
for _name, _column in (("task_job_finished", task.c.job_id), ("task_agent_finished", task.c.agent_id)):
    Index(
        _name,
        _column,
        task.c.finished_ms,
        sqlite_where=task.c.finished_ms.is_not(None),
        postgresql_where=task.c.finished_ms.is_not(None),
    )
Index(
    "task_running",
    task.c.id,
    sqlite_where=task.c.finished_ms.is_(None),
    postgresql_where=task.c.finished_ms.is_(None),
)

task_result = Table(
    "task_result",
    metadata,
    Column("task_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("error_message", _text()),
    Column("result", _text()),
    Column("detail", _text()),
)

# Ticks that no scheduler fired: of a job, from the first of them to the last.
gap = Table(
    "gap",
    metadata,
    Column("name", _text(128), primary_key=True),
    Column("from_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("ticks", Integer, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", _text(64), nullable=False, unique=True),
    Column("secret_hash", _text(64), nullable=False),
    Column("valid_from_ms", BigInteger),
    Column("valid_to_ms", BigInteger),
    Column("limits", _text(), nullable=False),
    Column("username", _text(128), unique=True),
    Column("password_hash", _text(256)),
)

setting = Table(
    "setting",
    metadata,
    Column("name", _text(64), primary_key=True),
    Column("value", _text(), nullable=False),
)
