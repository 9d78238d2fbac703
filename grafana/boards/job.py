"""One job in depth: rows of panels from ``job_runs`` and ``job_measurements``."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import frame, variables
from grafana.boards import job_measurements, job_runs
from grafana.queries import JOB


def board() -> Dashboard:
    """The board that a job's name leads to."""
    return frame.board(
        "cronprobe-job",
        "One job: its state from every agent, how fast, why it fails, and how much of its error budget is left.",
        variables=[
            variables.data_source(),
            variables.job(),
            variables.agents(),
            variables.types(),
            variables.window(),
            variables.text("status_page", "Status page", "Where cronprobe's own page is", "http://127.0.0.1:2211"),
        ],
        rows=[
            frame.Row("State", job_runs.state_panels()),
            frame.Row("Latency", job_measurements.latency_panels()),
            frame.Row("Why runs fail", job_runs.failure_panels()),
            frame.Row("Error budget", job_runs.budget_panels()),
            frame.Row("HTTP, TLS and DNS", job_measurements.http_panels()),
            frame.Row("ICMP", job_measurements.icmp_panels()),
            frame.Row("What the job file says", job_runs.declaration_panels()),
        ],
        alerts=JOB,
        links=[
            frame.Link(
                "Status page",
                "The job on cronprobe's own page: its newest runs with their messages, its gaps, its runbook",
                "${status_page:raw}/jobs/${cron_source:percentencode}",
            )
        ],
    )
