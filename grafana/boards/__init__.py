"""The boards, by the name of their file. A new one: its module, its line here, and its uid in ``frame.UIDS``."""

from collections.abc import Callable, Mapping

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards import agents, itself, job, overview

BOARDS: Mapping[str, Callable[[], Dashboard]] = {
    "overview": overview.board,
    "job": job.board,
    "agents": agents.board,
    "itself": itself.board,
}
