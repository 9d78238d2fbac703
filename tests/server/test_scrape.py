"""The page of metrics: its two formats, its two extents, and what it costs the loop."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from bench.scrape import PROBES, full_page, record, write
from server.config import MetricsExtent
from server.metrics.text import Format, wanted
from tests.server.rig import OpenRig, Rig
from tests.server.test_server_metrics import FRA, tick, value, values

OPEN_METRICS = "application/openmetrics-text"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
LONGEST_STRETCH_MS = 5
NOISE = 3

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def page(rig: Rig, accept: str) -> tuple[str, str]:
    """Content type and text."""
    async with rig.http.get(f"{rig.url}/metrics", headers={"accept": accept}) as response:
        assert response.status == 200
        return response.headers["content-type"], await response.text()


async def run(rig: Rig, **members: object) -> int:
    """An ok run of the ping and one that failed; the id of the former."""
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [tick(1), tick(2)])
        good, bad = await agent.tasks(2)
        await agent.upload(agent.response(bad, None, success=False, reason="dns"))
        await agent.upload(agent.response(good, {"ping": 12.5}, **members))
    return int(good["task_id"])


def samples(text: str, form: Format) -> Samples:
    """Those of cronprobe's own names that do not depend on when one looks."""
    families = open_metrics_families(text) if form is Format.OPEN_METRICS else text_families(text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith(("probe_", "cronprobe_")) and not sample.name.endswith("_created")
    }


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        ("text/plain", Format.TEXT),
        (OPEN_METRICS, Format.OPEN_METRICS),
        (f"{OPEN_METRICS}; version=1.0.0", Format.OPEN_METRICS),
        (f"{OPEN_METRICS}; version=0.0.1", Format.OPEN_METRICS),
        (f"{OPEN_METRICS}; version=9.9.9", Format.TEXT),
        (f"{OPEN_METRICS}; version=1.0.0; q=0", Format.TEXT),
        (f"{OPEN_METRICS}; q=0.1, text/plain; q=0.9", Format.TEXT),
        (f"{OPEN_METRICS}; q=nonsense, ;;=,", Format.TEXT),
        (PROMETHEUS_3, Format.OPEN_METRICS),
    ],
)
def test_the_format_is_the_one_that_is_preferred(accept: str, form: Format) -> None:
    assert wanted(accept) is form


async def test_both_formats_say_the_same_as_the_librarys_parsers_read_them(rig: Rig) -> None:
    await run(rig, detail={"address": "::1", "sent": 2, "received": 1, "loss": 50, "rtts_ms": [12.5]})
    text_type, text = await page(rig, "text/plain")
    open_type, open_metrics = await page(rig, f"{OPEN_METRICS}; version=1.0.0")
    assert text_type == "text/plain; version=0.0.4; charset=utf-8"
    assert open_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert "# EOF" not in text
    assert open_metrics.endswith("\n# EOF\n")
    assert open_metrics.count("# EOF") == 1
    found = samples(text, Format.TEXT)
    assert samples(open_metrics, Format.OPEN_METRICS).keys() == found.keys()
    assert found["cronprobe_icmp_packets_sent_total", tuple(sorted(FRA.items()))] == 2
    assert "# TYPE cronprobe_runs_total counter" in text
    assert "# TYPE cronprobe_runs counter" in open_metrics


async def test_it_is_zipped_when_asked_and_a_head_is_answered(rig: Rig) -> None:
    await run(rig)
    async with rig.http.get(f"{rig.url}/metrics", headers={"accept": OPEN_METRICS}, auto_decompress=False) as response:
        assert response.headers["content-encoding"] == "gzip"
    async with rig.http.head(f"{rig.url}/metrics") as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_each_bucket_remembers_the_run_that_it_counted_last(rig: Rig) -> None:
    await run(rig)
    task_id = await run_again(rig)
    _, text = await page(rig, OPEN_METRICS)
    [exemplar] = [
        sample.exemplar
        for family in open_metrics_families(text)
        for sample in family.samples
        if sample.name == "cronprobe_latency_seconds_bucket" and sample.exemplar
    ]
    assert exemplar.labels == {"task_id": str(task_id)}
    assert exemplar.value == 0.0205
    [row] = await rig.root.rows({"task_id": task_id}, detail=True)
    assert float(exemplar.timestamp) == pytest.approx(row["stored_at"] / 1000, abs=5)
    _, plain = await page(rig, "text/plain")
    assert "task_id" not in plain


async def run_again(rig: Rig) -> int:
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [tick(3)])
        task = await agent.task()
        await agent.upload(agent.response(task, {"ping": 20.5}))
    return int(task["task_id"])


async def test_basic_leaves_out_the_histogram_and_the_phases(open_rig: OpenRig) -> None:
    async with open_rig(metrics=MetricsExtent.BASIC) as rig:
        await run(rig, detail={"phases_ms": {"connect": 1.0}, "status": 200})
        assert await value(rig, "probe_http_status_code", **FRA) == 200
        assert await value(rig, "cronprobe_runs_total", **FRA, outcome="ok") == 1
        for form in ("text/plain", OPEN_METRICS):
            _, text = await page(rig, form)
            assert "cronprobe_latency_seconds" not in text
            assert "probe_http_duration_seconds" not in text


async def test_every_packet_of_a_ping_is_observed_where_the_agent_tells(rig: Rig) -> None:
    await run(rig, detail={"sent": 4, "received": 3, "loss": 25, "rtts_ms": [1.0, 2.0, 34.5]})
    assert await value(rig, "cronprobe_latency_seconds_count", **FRA) == 3
    assert await value(rig, "cronprobe_latency_seconds_sum", **FRA) == pytest.approx(0.0375)
    assert await value(rig, "probe_duration_seconds", **FRA) == 0.0125
    await run_again(rig)
    assert await value(rig, "cronprobe_latency_seconds_count", **FRA) == 4


async def test_probes_come_and_go_while_the_page_is_written() -> None:
    written, metrics, labels = full_page(1_000)
    lines = 0
    async for piece in written.pieces(Format.TEXT):
        metrics.drop(labels[:1])
        labels = labels[1:]
        lines += piece.count(b"\n")
    assert lines > 10_000


async def test_a_scrape_of_ten_thousand_probes_lets_the_loop_breathe() -> None:
    written, metrics, labels = full_page(PROBES)
    for at in range(2, 5):  # the first is everything for the first time
        found = await write(written, Format.OPEN_METRICS)
        print(found)
        assert found.lines > 200_000
        assert found.stretch_ms < LONGEST_STRETCH_MS * NOISE
        record(metrics, labels, at)


async def test_no_gauge_is_there_that_nobody_told(rig: Rig) -> None:
    await run(rig)
    for name in ("probe_http_status_code", "probe_icmp_packet_loss_ratio", "cronprobe_icmp_packets_sent_total"):
        assert await values(rig, name) == []
