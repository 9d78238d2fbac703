"""``cronprobe schema``: the JSON Schema of job files."""

import json

from cli.screen import console
from scheduler.jobfile.schema import schema as job_file_schema


def schema() -> None:
    """
    Print the JSON Schema of job files, for editors that check while one types.

    Example: `cronprobe schema > jobs.schema.json`, and `# yaml-language-server: $schema=./jobs.schema.json` on top of a
    job file.
    """
    console.out(json.dumps(job_file_schema(), indent=2), highlight=False)
