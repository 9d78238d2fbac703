"""Stores to hold to the contract, and rows to fill them with. A new backend is a line in ``STORE_URLS``."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from protocol.outcomes import Reason
from server.store import open_store
from server.store.interface import FinishRow, InternNames, JobName, Names, Spec, Store, TaskRow, TokenRow

POSTGRES_URL = "postgres-url"
"""The file in a test's directory that has the URL of its database."""

STORE_URLS: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda directory: f"sqlite:///{directory / 'store.db'}",
    "postgresql": lambda directory: (directory / POSTGRES_URL).read_text(),
}
NEEDS = {"postgresql": [pytest.mark.external("postgres")]}

AGENTS = ("5f0c2f4e-4f43-4b0e-9d6a-2a4a7c9d1b10", "0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11")
JOBS = (JobName("web", ""), JobName("web", "target=a"), JobName("edge", ""))
SPECS = (
    Spec('{"ping":"host.example"}'),
    Spec('{"tcp_ping":"host.example:443"}', '{"latency":{"fail_ms":5}}'),
    Spec('"ip"'),
    Spec('{"http_ping":"https://a.example/"}', None, '{"family":4}', "a.example"),
)

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]

every_store = pytest.mark.parametrize("kind", [pytest.param(kind, marks=NEEDS.get(kind, [])) for kind in STORE_URLS])


def opener(kind: str, directory: Path) -> OpenStore:
    """Opens the store of this kind in the directory, again and again."""
    return lambda: open_store(STORE_URLS[kind](directory))


async def write(store: Store, change: Any) -> Any:
    """Commit one change; its answer."""
    [answer] = await store.write([change])
    return answer


async def names(store: Store) -> Names:
    """The numbers of all names above."""
    answer: Names = await write(store, InternNames(JOBS, dict.fromkeys(AGENTS), SPECS))
    return answer


def task_row(id_: int, names: Names, **columns: Any) -> TaskRow:
    """A running task of the first job, agent and spec."""
    row = TaskRow(
        id=id_,
        job_id=names.jobs[JOBS[0]],
        spec_id=names.specs[SPECS[0]],
        agent_id=names.agents[AGENTS[0]],
        scheduled_ms=1_000_000 + id_,
        timeout_ms=5_000,
        finished_ms=None,
        stored_ms=None,
        success=None,
        reason=None,
        token="0123456789",
    )
    return row._replace(**columns)


def finish_row(id_: int, **columns: Any) -> FinishRow:
    """A good end."""
    return FinishRow(id_, 10, 11, 12, 13, True, None, 1.5, 0)._replace(**columns)


NO_RESULT = {"success": False, "reason": int(Reason.NO_RESULT), "latency_ms": None}

TOKEN = TokenRow(0, "key", "hash", None, None, "[]", None, None)
