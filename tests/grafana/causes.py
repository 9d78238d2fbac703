"""
What the example jobs lack, so that every panel has something to show: probes that fail, lose, resolve and see a
certificate, an objective, an agent that is away, and callers that make mistakes.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

from tests.agent.certificates import make_certificate
from tests.grafana.stack import ANSWER_S, Stack, free_addresses

AWAY = "0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11"
JOBS = """
jobs:
  closed-port:
    schedule: "@every 2s"
    task: {{tcp_ping: "{closed}"}}
    slo: {{objective: 99.9, window: 30d}}
    labels: {{team: tests}}
  burst: {{schedule: "@every 2s", task: {{ping: 127.0.0.1}}, options: {{count: 5, interval: 100ms}}}}
  certificate: {{schedule: "@every 2s", task: {{http_ping: "https://{site}/"}}, options: {{verify_tls: false}}}}
  nobody-there: {{schedule: "@every 2s", agents: [{away}], task: {{ping: 127.0.0.1}}}}
"""


class Causes(NamedTuple):
    """``jobs`` is the job file."""

    jobs: Path

    def make_mistakes(self, stack: Stack) -> None:
        """A method that nobody knows, and a result of a task that nobody made."""
        token = stack.root_token()
        result = {"task_id": 1, "agent_uuid": AWAY, "task_token": "x", "timestamp": 1, "success": True}
        result |= {"error_message": None, "task_event_result": {"ping": 1.0}}
        for method, params in (("no_such_method", []), ("task_upload_task_result", [token, result])):
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
            request = Request(stack.cronprobe, body, {"content-type": "application/json"})
            with urlopen(request, timeout=ANSWER_S) as response:
                assert "error" in json.load(response)


class _Page(BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def open_causes(folder: Path) -> Iterator[Causes]:
    """A site with a certificate of its own, and the jobs."""
    certificate = make_certificate(folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as site:
        site.socket = certificate.context.wrap_socket(site.socket, server_side=True)
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        try:
            yield Causes(write_jobs(folder, site=f"localhost:{site.server_port}"))
        finally:
            site.shutdown()
            thread.join()


def write_jobs(folder: Path, *, site: str) -> Path:
    """The job file, to stand beside the example."""
    [closed] = free_addresses(1)
    jobs = folder / "causes.yaml"
    jobs.write_text(JOBS.format(closed=closed, site=site, away=AWAY))
    return jobs
