"""Panels about the processes: are they up, what did they load, what do they use, what does a scrape cost."""

from grafana import looks
from grafana.panels import Panel, graph, numbers
from grafana.queries import Query, age

_HERE = 'instance=~"$instance"'
_EACH = "{{instance}}"


def state_panels() -> list[Panel]:
    """What is now."""
    return [
        numbers(
            "Up",
            "Whether the last scrape of each process went well. No: it is down, or Prometheus does not reach it.",
            [Query(f"up{{{_HERE}}}", _EACH)],
            unit="none",
            empty="nothing is scraped",
            high=1,
            words=looks.YES_IS_GOOD,
        ),
        numbers(
            "Store up",
            "Whether the last commit went well. No: nothing is acknowledged, agents keep their results; look at the "
            "log for 'store write failed' and at the disk.",
            [Query(f"cronprobe_store_up{{{_HERE}}}", _EACH)],
            unit="none",
            empty="no server scraped",
            high=1,
            words=looks.YES_IS_GOOD,
        ),
        numbers(
            "Last reload well",
            "Whether the job files could be loaded when they changed last. No: a file has a mistake and the old jobs "
            "go on; 'cronprobe check' tells the place.",
            [Query(f"cronprobe_config_last_reload_successful{{{_HERE}}}", _EACH)],
            unit="none",
            empty="no scheduler scraped",
            high=1,
            words=looks.YES_IS_GOOD,
        ),
        numbers(
            "Job files loaded",
            "Time since the job files were loaded. Longer than since your last change: it did not arrive.",
            [Query(age(f"cronprobe_config_last_reload_success_timestamp_seconds{{{_HERE}}}"), _EACH)],
            unit="dtdurations",
            empty="no scheduler scraped",
        ),
        numbers(
            "Leader",
            "Whether the scheduler fires. No leader anywhere: ticks are missed.",
            [Query(f"cronprobe_scheduler_leader{{{_HERE}}}", _EACH)],
            unit="none",
            empty="no scheduler scraped",
            high=1,
            words=looks.YES_IS_GOOD,
        ),
        numbers(
            "Started",
            "Time since the process started. Short without a reason of yours: it was killed or fell over; look at "
            "its log.",
            [Query(age(f"process_start_time_seconds{{{_HERE}}}"), _EACH)],
            unit="dtdurations",
            empty="nothing is scraped",
        ),
    ]


def process_panels() -> list[Panel]:
    """What it uses."""
    return [
        graph(
            "CPU",
            "Cores used. Near 1 the event loop has no room and ticks come late: fewer runs, or another machine.",
            [Query(f"rate(process_cpu_seconds_total{{{_HERE}}}[$__rate_interval])", _EACH)],
            unit="none",
            empty="nothing is scraped",
            steps=[(None, looks.GOOD), (0.8, looks.LOOK), (1, looks.BAD)],
            width=6,
        ),
        graph(
            "Memory",
            "Resident memory. It grows with probes and open sessions; growing for days at the same load is a leak.",
            [Query(f"process_resident_memory_bytes{{{_HERE}}}", _EACH)],
            unit="bytes",
            empty="nothing is scraped",
            width=6,
        ),
        graph(
            "Open files",
            "File descriptors, and how many are allowed. Each agent and caller takes one: raise the limit before "
            "they meet.",
            [
                Query(f"process_open_fds{{{_HERE}}}", "open {{instance}}"),
                Query(f"process_max_fds{{{_HERE}}}", "allowed {{instance}}"),
            ],
            unit="short",
            empty="nothing is scraped",
            width=6,
        ),
        graph(
            "Garbage collections",
            "Collections a second by generation. Generation 2 more than a few times a minute stops the loop "
            "noticeably.",
            [
                Query(
                    f"sum by (generation) (rate(python_gc_collections_total{{{_HERE}}}[$__rate_interval]))",
                    "generation {{generation}}",
                )
            ],
            unit="ops",
            empty="nothing is scraped",
            width=6,
        ),
    ]


def scrape_panels() -> list[Panel]:
    """What Prometheus pays."""
    return [
        graph(
            "Scrape duration",
            "How long Prometheus waited for the page. Near its scrape_timeout scrapes fail: scrape less often, or "
            "run with --metrics basic.",
            [Query(f"scrape_duration_seconds{{{_HERE}}}", _EACH)],
            unit="s",
            empty="nothing is scraped",
            width=12,
        ),
        graph(
            "Samples a scrape",
            "Samples on the page. It grows with probes (cronprobe plan counts their series) and with reasons of "
            "failures.",
            [Query(f"scrape_samples_scraped{{{_HERE}}}", _EACH)],
            unit="short",
            empty="nothing is scraped",
            width=12,
        ),
    ]
