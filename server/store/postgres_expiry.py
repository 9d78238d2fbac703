"""
Rows whose time is over, on PostgreSQL: for all jobs in one statement, and only in days that are old enough.

A tick is of a day no later than the one after its end; where a clock was wrong it is found some days later.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from server.store import expiry
from server.store.postgres_days import DAY_MS

_OF_JOBS = text(f"""
SELECT over.id, v.job_id, over.finished_ms
FROM unnest(CAST(:jobs AS int[]), CAST(:befores AS bigint[])) AS v(job_id, before_ms)
CROSS JOIN LATERAL (
    SELECT task.id, task.finished_ms FROM task
    WHERE task.job_id = v.job_id AND task.finished_ms < v.before_ms AND task.day <= v.before_ms / {DAY_MS} + 1
    ORDER BY task.finished_ms LIMIT CAST(:most AS bigint)
) AS over
LIMIT CAST(:most AS bigint)
""")  # noqa: S608 our own number
_NEWEST = text("""
SELECT v.job_id, (SELECT max(task.finished_ms) FROM task WHERE task.job_id = v.job_id)
FROM unnest(CAST(:jobs AS int[])) AS v(job_id)
""")


def find_expired(
    connection: Connection, before_ms: Mapping[str, int], others_before_ms: int | None, most: int
) -> list[int]:
    """See ``Store.expired``."""
    bounds = {
        id_: bound
        for id_, name in connection.execute(expiry.select_jobs())
        if (bound := before_ms.get(name, others_before_ms)) is not None
    }
    # The newest row of each is among them and may be nobody's to take.
    wanted = {"jobs": list(bounds), "befores": list(bounds.values()), "most": most + len(bounds)}
    over: list[Any] = list(connection.execute(_OF_JOBS, wanted))
    ended: list[Any] = list(connection.execute(_NEWEST, {"jobs": list({row.job_id for row in over})}))
    newest: dict[int, int] = dict(ended)
    ids = [row.id for row in over if row.finished_ms < newest[row.job_id]][:most]
    if others_before_ms is not None:
        by_hand = {expiry.BEFORE: others_before_ms, expiry.MOST: most - len(ids)}
        ids += connection.scalars(expiry.select_expired_by_hand(), by_hand)
    return ids
