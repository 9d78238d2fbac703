"""Rows whose time is over, as SQL, for any SQLAlchemy dialect: job by job, in the order of the index of their ends."""

from typing import Any

from sqlalchemy import Select, bindparam, func, select

from server.store.tables import job, task

JOB, BEFORE, MOST = "of_job", "before_ms", "most"
"""Parameters of the statements below: the job's number, ms since the epoch, a count of rows."""


def select_jobs() -> Select[Any]:
    """(id, name) of every job's cell, also of jobs that are no longer declared."""
    return select(job.c.id, job.c.name).order_by(job.c.id)


def select_expired() -> Select[Any]:
    """Ids of a job's rows that ended before a time; never the one that ended last, which says when it last ran."""
    other = task.alias()
    newest = select(func.max(other.c.finished_ms)).where(other.c.job_id == bindparam(JOB)).scalar_subquery()
    return _oldest().where(task.c.job_id == bindparam(JOB), task.c.finished_ms < newest)


def select_expired_by_hand() -> Select[Any]:
    """The same of the rows that no job asked for."""
    return _oldest().where(task.c.job_id.is_(None))


def _oldest() -> Select[Any]:
    return (
        select(task.c.id)
        .where(task.c.finished_ms < bindparam(BEFORE))
        .order_by(task.c.finished_ms)
        .limit(bindparam(MOST))
    )
