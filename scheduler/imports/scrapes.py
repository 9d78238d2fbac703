"""
The Prometheus side of a blackbox_exporter: which scrape jobs go through it, how often, with which module and targets.

Relabelling is understood in its standard form only: the address becomes the parameter ``target`` and the label
``instance``, and the exporter's own address takes its place. Whatever else could change what is probed makes the scrape
job not ``exact``.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from scheduler.imports.interface import Note
from scheduler.imports.sources import Section, elements, open_source, read_source, text, where
from scheduler.jobfile.files import File
from scheduler.jobfile.tree import Node

PROBE_PATH = "/probe"
USUAL_MODULE = "http_2xx"
_USUAL_INTERVAL_MS = 60_000
_USUAL_TIMEOUT_MS = 10_000
# About the way to the exporter, or about storing what it says: nothing of that is left here.
_BESIDE = (
    *("honor_labels", "honor_timestamps", "scheme", "basic_auth", "authorization", "oauth2", "bearer_token"),
    *("bearer_token_file", "tls_config", "proxy_url", "follow_redirects", "enable_http2", "sample_limit"),
    *("body_size_limit", "label_limit", "label_name_length_limit", "label_value_length_limit", "target_limit"),
    *("scrape_protocols", "track_timestamps_staleness", "keep_dropped_targets", "scrape_classic_histograms"),
)
_HARMLESS_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]*|_[A-Za-z0-9][A-Za-z0-9_]*")


class Target(Struct, frozen=True):
    """A target as it is written, and where."""

    text: str
    where: str


class Group(Struct, frozen=True):
    """Targets that have the same labels."""

    labels: dict[str, str]
    targets: tuple[Target, ...]


class Scrape(Struct, frozen=True, kw_only=True):
    """A scrape job that goes through a blackbox_exporter; ``where`` leads to it."""

    name: str
    where: str
    module: str
    interval_ms: int
    timeout_ms: int
    groups: tuple[Group, ...]
    notes: tuple[Note, ...]
    exact: bool


def read_scrapes(prometheus: Section, directory: Path) -> list[Scrape]:
    """The scrape jobs of a Prometheus configuration that lies in ``directory``, as far as they probe."""
    defaults = prometheus.section("global")
    interval_ms = defaults.ms("scrape_interval") or _USUAL_INTERVAL_MS
    timeout_ms = defaults.ms("scrape_timeout") or _USUAL_TIMEOUT_MS
    sections = [Section(node) for node in elements(prometheus.need("scrape_configs"))]
    return [
        _scrape(section, interval_ms, timeout_ms, directory)
        for section in sections
        if (section.text("metrics_path") or "").endswith(PROBE_PATH)
    ]


def _scrape(section: Section, interval_ms: int, timeout_ms: int, directory: Path) -> Scrape:
    notes: list[Note] = []
    interval_ms = section.ms("scrape_interval") or interval_ms
    timeout_ms = min(section.ms("scrape_timeout") or timeout_ms, interval_ms)
    name = text(section.need("job_name"))
    module = _module(section.section("params"), notes)
    exact = _is_standard(section.listed("relabel_configs"), section, notes)
    groups = _static(section.listed("static_configs")) + _from_files(section, directory, notes)
    for key in _BESIDE:
        section.take(key)
    notes += section.leftovers()
    return Scrape(
        name=name,
        where=where(section.node),
        module=module,
        interval_ms=interval_ms,
        timeout_ms=timeout_ms,
        groups=tuple(_merged(groups)),
        notes=tuple(notes),
        exact=exact,
    )


def _module(params: Section, notes: list[Note]) -> str:
    modules = params.listed("module")
    notes += [Note(where(node), "only the first module is used, there as well as here") for node in modules[1:]]
    notes += params.leftovers()
    return text(modules[0]) if modules else USUAL_MODULE


def _is_standard(rules: Sequence[Node], scrape: Section, notes: list[Note]) -> bool:
    """Whether the targets are those of the target groups, all of them, and nothing else decides on the probe."""
    exact = True
    has_target = False
    for node in rules:
        rule = Section(node)
        sources = tuple(text(source) for source in rule.listed("source_labels"))
        label = rule.text("target_label") or ""
        replaces = rule.text("action") in (None, "replace")
        plain = replaces and rule.text("regex") in (None, "(.*)", ".*") and rule.take("modulus") is None
        copies = plain and rule.text("regex") != ".*" and rule.text("replacement") in (None, "$1", "${1}")
        match sources, label:
            case ("__address__",), "__param_target" if copies:
                has_target = True
            case ("__param_target",) | ("__address__",), "instance" if copies:
                pass
            case (), "__address__" if plain and has_target:
                pass
            case _, label if replaces and _HARMLESS_LABEL.fullmatch(label):
                notes.append(Note(where(node), f"the label {label} is left out; give the job a label of its own"))
            case _:
                notes.append(Note(where(node), "this relabelling may change what is probed; write the job by hand"))
                exact = False
    if not has_target:
        advice = "no rule makes the address the parameter target, so what is probed is not known; write the job by hand"
        notes.append(Note(scrape.where("relabel_configs"), advice))
    return exact and has_target


def _static(nodes: Iterable[Node]) -> list[Group]:
    groups = []
    for node in nodes:
        section = Section(node)
        targets = tuple(Target(text(target), where(target)) for target in section.listed("targets"))
        groups.append(Group(section.strings("labels"), targets))
    return groups


def _from_files(scrape: Section, directory: Path, notes: list[Note]) -> list[Group]:
    """The target groups of files, as they are at this moment."""
    groups = []
    for config in scrape.listed("file_sd_configs"):
        for node in Section(config).listed("files"):
            pattern = text(node)
            # Of an absolute pattern nothing of the directory is left; only its last part may have a star.
            folder, last = (directory / pattern).parent, Path(pattern).name
            files = sorted(file for file in folder.glob(last) if file.is_file()) if folder.is_dir() else []
            if not files:
                notes.append(Note(where(node), f"no file matches {pattern}; its targets are left out"))
            else:
                notes.append(Note(where(node), "targets are those of now; later changes of the files are not seen"))
            for file in files:
                groups += _static(_groups_of(open_source(file)))
    return groups


def _groups_of(file: File) -> Sequence[Node]:
    node = read_source(file)
    return () if node is None else elements(node)


def _merged(groups: Iterable[Group]) -> list[Group]:
    """One group for each set of labels, no target twice in it."""
    merged: dict[tuple[tuple[str, str], ...], Group] = {}
    for group in groups:
        key = tuple(sorted(group.labels.items()))
        before = merged.get(key, Group(group.labels, ()))
        known = {target.text for target in before.targets}
        fresh = {target.text: target for target in group.targets if target.text not in known}
        merged[key] = Group(before.labels, (*before.targets, *fresh.values()))
    return list(merged.values())
