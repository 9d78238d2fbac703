"""
A blackbox_exporter and the Prometheus that scrapes through it: a job for each scrape job and set of labels.

Its targets become a matrix. A module that no scrape job uses is named and left out.
"""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scheduler.imports import periods
from scheduler.imports.interface import Imported, ImportedJob, Note
from scheduler.imports.modules import Probe, read_modules
from scheduler.imports.names import Names
from scheduler.imports.scrapes import PROBE_PATH, Group, Scrape, read_scrapes
from scheduler.imports.secrecy import Variables, Veil, literal
from scheduler.imports.sources import Section, read_source
from scheduler.imports.trial import objection
from scheduler.jobfile import tree
from scheduler.jobfile.files import File
from scheduler.jobfile.mistakes import JobFileError, Mistake, Mistaken, Place


def read(config: File, prometheus: File) -> Imported:
    """
    The jobs of ``config``, a blackbox_exporter's, as ``prometheus`` scrapes them.

    Raises:
        JobFileError: one of them is not what it should be.
    """
    names, variables = Names(), Variables()
    try:
        modules = read_modules(_top(config, "modules"), variables)
        scraping = _top(prometheus, "scrape_configs")
        scrapes = read_scrapes(scraping, Path(prometheus.name).parent)
    except Mistaken as e:
        raise JobFileError([e.mistake]) from e
    jobs: list[ImportedJob] = []
    notes: list[Note] = []
    if scraping.take("scrape_config_files") is not None:
        text = "the scrape jobs of other files are not seen; import each with a file of its own"
        notes.append(Note(scraping.where("scrape_config_files"), text))
    for scrape in scrapes:
        probe = modules.get(scrape.module)
        if probe is None:
            text = f"the module '{scrape.module}' is not in {config.name}; the scrape job is left out"
            notes.append(Note(scrape.where, text))
        else:
            jobs += _jobs(scrape, probe, names, variables, notes)
    if not scrapes:
        notes.append(Note(prometheus.name, f"no scrape job has the metrics_path {PROBE_PATH}"))
    unused = [name for name in modules if all(name != scrape.module for scrape in scrapes)]
    if unused:
        notes.append(Note(f"{config.name}: modules", f"no scrape job uses {', '.join(unused)}; left out"))
    return Imported(origin=f"{config.name} and {prometheus.name}", jobs=tuple(jobs), notes=tuple(notes))


def _top(file: File, key: str) -> Section:
    node = read_source(file)
    if not isinstance(node, tree.Mapping) or key not in node.entries:
        raise Mistaken(Mistake(Place(file.name), "file", f"has no key '{key}'; is it the right file?"))
    return Section(node)


def _jobs(scrape: Scrape, probe: Probe, names: Names, variables: Variables, notes: list[Note]) -> list[ImportedJob]:
    """The jobs of a scrape job; what is known of one that has no targets goes to ``notes``."""
    made = [_job(scrape, group, probe, names, variables) for group in scrape.groups if group.targets]
    if not made:
        notes += [*scrape.notes, Note(scrape.where, "has no targets that are known here; left out")]
    return made


def _job(scrape: Scrape, group: Group, probe: Probe, names: Names, variables: Variables) -> ImportedJob:
    notes = [*scrape.notes, *probe.notes]
    addresses = _addresses(group, probe, Veil(scrape.name, variables, notes), notes)
    hidden = [label for label in group.labels if label.startswith("__")]
    if hidden:
        text = f"the label {hidden[0]} may change what is probed; write the job by hand"
        notes.append(Note(group.targets[0].where, text))
    keys: dict[str, Any] = {
        "schedule": periods.schedule(scrape.interval_ms, scrape.where, notes),
        "agents": "all",
        **_work(probe, addresses),
        **periods.timeout(min(probe.timeout_ms or scrape.timeout_ms, scrape.timeout_ms), scrape.where, notes),
        **_fitting(probe.keys, addresses),
    }
    labels = {label: literal(value) for label, value in group.labels.items() if label not in hidden}
    if labels:
        keys["labels"] = labels
    return ImportedJob(
        name=names.give(scrape.name, "blackbox"),
        keys=keys,
        notes=tuple(notes),
        usable=bool(scrape.exact and probe.task and addresses and not hidden),
    )


def _addresses(group: Group, probe: Probe, veil: Veil, notes: list[Note]) -> list[str]:
    """The targets as a task has them; one that no task can have is noted and left out."""
    addresses: dict[str, None] = {}
    for target in group.targets:
        address = probe.address(target.text)
        why = "is no IP address, as a DNS server has to be given" if address is None else None
        if address is not None:
            address = veil.url(address, target.where)
            why = objection(probe.task(address)) if probe.task else None
        if why is not None or address is None:
            notes.append(Note(target.where, f"{why}; left out"))
        else:
            addresses[address] = None
    return list(addresses)


def _work(probe: Probe, addresses: list[str]) -> dict[str, Any]:
    """The keys ``matrix``, ``task`` and ``target``."""
    if len(addresses) == 1:
        return {} if probe.task is None else {"task": probe.task(addresses[0])}
    matrix = {"matrix": {"target": addresses}}
    if probe.task is None:
        return matrix
    target = {"target": "${target}"} if probe.target_of_cell else {}
    return {**matrix, "task": probe.task("${target}"), **target}


def _fitting(keys: Mapping[str, Any], addresses: list[str]) -> Mapping[str, Any]:
    """``keys`` without a family that one of the addresses, given as such, is not of."""
    options = keys.get("options", {})
    if options.get("family") != 4 or not any(_is_ipv6(address) for address in addresses):
        return keys
    rest = {key: value for key, value in options.items() if key != "family"}
    others = {key: value for key, value in keys.items() if key != "options"}
    return {**others, "options": rest} if rest else others


def _is_ipv6(address: str) -> bool:
    if "[" in address:
        return True
    try:
        return ipaddress.ip_address(address).version == 6
    except ValueError:
        return False
