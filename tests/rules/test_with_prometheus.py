"""The rules of the example jobs in a real Prometheus, on what a real cronprobe measures."""

import asyncio
from pathlib import Path

import pytest

from scheduler.jobfile import load
from tests.processes import ROOT, ROOT_DIRECTORY, run
from tests.rules.prometheus import open_prometheus, unused_port
from tests.rules.texts import rules_of

DEFAULT_ADDRESS = "127.0.0.1:2211"
SAMPLES_S = 60.0

pytestmark = pytest.mark.external("prometheus")


async def test_every_recording_rule_has_samples_of_the_example_jobs(tmp_path: Path) -> None:
    address = f"127.0.0.1:{unused_port()}"
    jobs = tmp_path / "jobs.yaml"
    jobs.write_text((ROOT_DIRECTORY / "jobs.example.yaml").read_text().replace(DEFAULT_ADDRESS, address))
    document = rules_of(load([jobs]), with_itself=True)
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    silent = {(rule["record"], *rule.get("labels", {}).values()) for rule in rules if "record" in rule}
    up = run(
        *("up", jobs, "--listen", address, "--state-dir", tmp_path / "state", "-q"),
        directory=tmp_path,
        CRONPROBE_ROOT_TOKEN=ROOT,
    )
    async with up as process, open_prometheus(tmp_path / "prometheus", document, address) as prometheus:
        await process.says("agent connected")
        end_s = asyncio.get_running_loop().time() + SAMPLES_S
        while silent:
            assert asyncio.get_running_loop().time() < end_s, f"no samples after {SAMPLES_S:g} s: {silent}"
            for name, *labels in sorted(silent):
                selector = f'{name}{{cron_source="{labels[0]}"}}' if labels else name
                if await prometheus.samples(selector):
                    silent.discard((name, *labels))
            await asyncio.sleep(0.5)
        loaded = await prometheus.rules()
        assert len(loaded) == len(rules)
        assert [rule for rule in loaded if rule["health"] != "ok"] == []
