"""Cronprobe itself, from a tick to the disk: rows of panels from ``itself_tasks`` and ``itself_process``."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import frame, variables
from grafana.boards import itself_process, itself_tasks


def board() -> Dashboard:
    """The board for whoever runs cronprobe."""
    instances = 'label_values({__name__=~"cronprobe_build_info|cronprobe_scheduler_leader"}, instance)'
    return frame.board(
        "cronprobe-itself",
        "Whether cronprobe keeps its promises: ticks fired in time, results stored, and what it costs.",
        variables=[
            variables.data_source(),
            # Only what is listed: metrics of processes have no label but this one to tell ours from others'.
            variables.listed("instance", "Instance", instances),
        ],
        rows=[
            frame.Row("Now", itself_process.state_panels()),
            frame.Row("Scheduler", itself_tasks.scheduler_panels()),
            frame.Row("Dispatch and results", itself_tasks.result_panels()),
            frame.Row("Store", itself_tasks.store_panels()),
            frame.Row("JSON-RPC", itself_tasks.rpc_panels()),
            frame.Row("Process", itself_process.process_panels()),
            frame.Row("Scrapes", itself_process.scrape_panels()),
        ],
        alerts='cron_source=""',
    )
