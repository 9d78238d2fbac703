"""
The last states of probes in the form that PostgreSQL has a good plan for; it finds what that of ``last_ends`` finds.

The newest rows of each cell are read whole, each cell by itself in the order of its index: an id would be looked for in
every day again, and a condition on ids would read every day from end to end.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select, true, tuple_

from server.store.interface import JobName
from server.store.last_ends import complete, rank
from server.store.tables import job, task


def select_last_ends(cells: Sequence[JobName], most_rows: int) -> Select[Any]:
    """The columns of ``LastEnd``: for each agent and outcome the row that ended last among so many of each cell."""
    newest = (
        select(*task.c)
        .where(task.c.job_id == job.c.id, task.c.finished_ms.is_not(None))
        .order_by(task.c.finished_ms.desc())
        .limit(most_rows)
        .correlate(job)
        .lateral("newest")
    )
    ranked = (
        select(job.c.name, job.c.cell, *newest.c, rank(newest))
        .select_from(job.join(newest, true()))
        .where(tuple_(job.c.name, job.c.cell).in_(cells))
        .subquery()
    )
    return complete(ranked, ranked, ranked)
