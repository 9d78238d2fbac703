"""``crontab_*``, ``crontab-result_*`` and ``job_*``: the parameters of their methods."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Struct

from protocol.crontab import (
    CRON_TYPE_SCHEMA,
    JOBS_SCHEMA,
    TICK_QUERY_SCHEMA,
    CronType,
    DeclaredJob,
    Gap,
    TickCondition,
    read_cron_type,
    read_tick_query,
)
from protocol.params import ReadBy
from protocol.reading import plain
from protocol.schemas import array

_CronType = Annotated[CronType, ReadBy(read_cron_type, CRON_TYPE_SCHEMA)]


class GetJobs(Struct, frozen=True):
    """The jobs of the live job file."""

    token: str


class WriteJob(Struct, frozen=True):
    """A job to be made or changed, which only the job file can do."""

    token: str
    name: str
    cron_expression: str
    cron_type: _CronType


class EnableJob(Struct, frozen=True):
    """A job to be enabled or disabled, which only the job file can do."""

    token: str
    name: str
    enable: bool


class DeleteJob(Struct, frozen=True):
    """A job to be deleted, which only the job file can do."""

    token: str
    name: str


class QueryTicks(Struct, frozen=True):
    """Ticks that match."""

    token: str
    query: Annotated[Sequence[TickCondition], ReadBy(read_tick_query, TICK_QUERY_SCHEMA)]


class ListGaps(Struct, frozen=True):
    """Ticks that were missed, of the jobs that ``names`` has, or of all when it is empty, since ``since_ms``."""

    token: str
    names: list[str] = []
    since_ms: int = 0


class RecordGaps(Struct, frozen=True):
    """Ticks that no scheduler fired."""

    token: str
    gaps: Annotated[list[Gap], ReadBy(plain(list[Gap]), array(Gap))]


class DeclareJobs(Struct, frozen=True):
    """
    All jobs of the live job file, in the place of those declared before.

    The answer has the last tick before ``before_ms``, ms since the epoch, of those that ran already.
    """

    token: str
    jobs: Annotated[tuple[DeclaredJob, ...], ReadBy(plain(tuple[DeclaredJob, ...]), JOBS_SCHEMA)]
    before_ms: int = 0
