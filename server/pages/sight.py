"""
What whoever looks at a page may see: by the rights of a token, or as anybody where the page is public.

Jobs are seen as ``crontab_get`` shows them, how they went as ``task_query`` does, agents as ``agent_list`` does.
"""

from msgspec import Struct

from protocol.permissions import GLOBAL, Permission
from server.auth import Auth, Token, task_permission
from server.jobs import Job, Jobs
from server.pages.history import ProbeKey, probe_keys

_LIST = Permission("monitoring_uuid", "list")


class Sight(Struct, frozen=True):
    """``token`` ``None`` is anybody: states and latencies, but no target, message, definition or UUID."""

    auth: Auth
    token: Token | None

    @property
    def is_public(self) -> bool:
        """Whether nobody has said who they are."""
        return self.token is None

    def jobs(self, jobs: Jobs) -> list[Job]:
        """
        The jobs that are shown.

        Raises:
            PermissionDenied: none at all may be read.
        """
        return list(jobs) if self.token is None else jobs.visible(self.auth, self.token)

    def probes(self, job: Job) -> list[ProbeKey]:
        """The probes of the job whose runs are shown."""
        if self.token is None or self.token.is_root:
            return list(probe_keys(job))
        seen: dict[tuple[str, str], bool] = {}
        found = []
        for key in probe_keys(job):
            pair = (key.agent_uuid, key.type)
            if pair not in seen:
                seen[pair] = self.auth.allows_task(self.token, pair[0], task_permission("read", pair[1]))
            if seen[pair]:
                found.append(key)
        return found

    def sees_agents(self) -> bool:
        """Whether the list of agents is shown."""
        return self.token is not None and self.auth.allows(self.token, [GLOBAL], [_LIST])
