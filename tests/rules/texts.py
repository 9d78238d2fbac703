"""Rules of job files in tests, as plain data, and cases for promtool."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scheduler.jobfile import load
from scheduler.jobs import JobFile
from scheduler.rules import groups
from scheduler.rules.writing import plain
from server.metrics.stats import LATENCY_BOUNDS
from tests.rules.prometheus import promtool

HEAD = (
    "version: 1\nagents:\n  fra-1: {uuid: e8583352-39e8-5a5b-b66c-e450689088fd}\n"
    "  nyc-1: {uuid: 0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11}\ndefaults: {agents: all}\njobs:\n"
)
TASK = "task: {ping: 127.0.0.1}"


def job_file(folder: Path, *jobs: str) -> JobFile:
    """Jobs that ping, each as the text of its name and its keys but for the task."""
    file = folder / "jobs.yaml"
    file.write_text(HEAD + "".join(f"  {job.removesuffix('}')}, {TASK}}}\n" for job in jobs))
    return load([file])


def rules_of(jobs: JobFile | None, *, with_itself: bool = False) -> dict[str, Any]:
    """The document."""
    return plain(groups(jobs, bounds=LATENCY_BOUNDS, with_itself=with_itself))


def rules_named(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Rules by the name of their series or alert."""
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    return [rule for rule in rules if name in (rule.get("record"), rule.get("alert"))]


def complaints(folder: Path, document: dict[str, Any], *cases: dict[str, Any]) -> str:
    """What promtool complains of when it tests the rules by the cases, evaluating them each minute."""
    (folder / "rules.yml").write_text(json.dumps(document))
    whole = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": cases}
    (folder / "rules.test.yml").write_text(json.dumps(whole))
    return promtool("test", "rules", folder / "rules.test.yml")


def expected(query: str, at: str, *values: tuple[str, float]) -> dict[str, Any]:
    """A query's samples, each as labels and value, at a time."""
    return {"expr": query, "eval_time": at, "exp_samples": [{"labels": labels, "value": v} for labels, v in values]}


def case(inputs: dict[str, str], *checks: dict[str, Any], interval: str = "1m") -> dict[str, Any]:
    """Series by selector with promtool's notation of their values, and what is expected of them."""
    series = [{"series": selector, "values": values} for selector, values in inputs.items()]
    return {"interval": interval, "input_series": series, "promql_expr_test": list(checks)}


def names(document: dict[str, Any]) -> Sequence[str]:
    """Of all rules, in their order."""
    return [rule.get("record") or rule["alert"] for group in document["groups"] for rule in group["rules"]]
