"""
A Gatus configuration: a job for each endpoint, its conditions as what the job expects.

Gatus puts the environment into its file before it reads it; here such places become references.
"""

import re
from typing import Any

from scheduler.imports import periods
from scheduler.imports.conditions import Expectations
from scheduler.imports.dns_servers import RECORD_TYPES, dns_server
from scheduler.imports.interface import Imported, ImportedJob, Note
from scheduler.imports.names import Names
from scheduler.imports.secrecy import Variables, Veil
from scheduler.imports.sources import Section, read_source, text, where
from scheduler.imports.trial import objection
from scheduler.jobfile.files import File
from scheduler.jobfile.mistakes import JobFileError, Mistake, Mistakes, Place
from scheduler.jobfile.tree import Mapping, Node

_USUAL_INTERVAL_MS = 60_000
_DOLLAR = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))?")
_PLACEHOLDER = re.compile(r"\[(?:ENDPOINT_|LOCAL_ADDRESS|RANDOM_STRING_|CONTEXT)")
# How its own pages and files look and where they are kept.
_BESIDE = ("metrics", "storage", "security", "concurrency", "disable-monitoring-lock", "web", "ui", "debug")


def read(config: File) -> Imported:
    """
    The jobs of a Gatus configuration.

    Raises:
        JobFileError: it is none; all mistakes in it.
    """
    node = read_source(config)
    if not isinstance(node, Mapping) or "endpoints" not in node.entries:
        raise JobFileError(
            [Mistake(Place(config.name), "file", "has no key 'endpoints'; is it a Gatus configuration?")]
        )
    mistakes = Mistakes({})
    top = Section(node)
    names, variables = Names(), Variables()
    endpoints = mistakes.attempt(top.listed, "endpoints") or ()
    made = [
        mistakes.attempt(lambda endpoint: _Endpoint(endpoint, variables).job(names), endpoint) for endpoint in endpoints
    ]
    mistakes.raise_any()
    for key in node.entries:
        if key in _BESIDE or key.startswith("x-"):
            top.take(key)
    jobs = tuple(job for job in made if job is not None)
    return Imported(origin=config.name, jobs=jobs, notes=tuple(top.leftovers()))


def _notation(value: str) -> str:
    """Text of the file in the job file's notation: the environment is referred to, not read."""

    def reference(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        return f"${{env:{name}}}" if name else "$$"

    return _DOLLAR.sub(reference, value)


class _Endpoint:
    def __init__(self, node: Node, variables: Variables) -> None:
        self._section = Section(node)
        self._notes: list[Note] = []
        self._name = text(self._section.need("name"))
        self._url = _notation(text(self._section.need("url")))
        self._veil = Veil(self._name, variables, self._notes)
        self._is_http = self._url.startswith(("http://", "https://"))

    def job(self, names: Names) -> ImportedJob:
        """The endpoint as a job."""
        section = self._section
        group = section.text("group")
        client = section.section("client")
        expectations = self._expectations()
        keys: dict[str, Any] = {"schedule": self._schedule(), "agents": "all"}
        task, options = self._work(client, expectations)
        if task is not None:
            keys["task"] = task
            why = objection(task)
            if why is not None:
                self._notes.append(Note(section.where("url"), why))
                task = None
        timeout_ms = client.ms("timeout")
        if timeout_ms is not None:
            keys |= periods.timeout(timeout_ms, client.where("timeout"), self._notes)
        keys |= {key: value for key, value in (("options", options), ("expect", expectations.keys())) if value}
        if not section.flag("enabled", absent=True):
            keys["enabled"] = False
        labels = {"group": group} if group else {}
        labels |= section.strings("extra-labels")
        if labels:
            keys["labels"] = {label: _notation(value) for label, value in labels.items()}
        self._finish(client)
        return ImportedJob(
            name=names.give(f"{group}_{self._name}" if group else self._name, "endpoint"),
            keys=keys,
            notes=tuple(self._notes),
            usable=task is not None and not expectations.is_inverted,
        )

    def _schedule(self) -> str:
        period_ms = self._section.ms("interval") or _USUAL_INTERVAL_MS
        return periods.schedule(period_ms, self._section.where("interval"), self._notes)

    def _expectations(self) -> Expectations:
        expectations = Expectations(is_http=self._is_http)
        for node in self._section.listed("conditions"):
            if not expectations.add(_notation(text(node))):
                self._notes.append(Note(where(node), f"a job cannot expect {text(node)}; left out"))
        if expectations.is_inverted:
            advice = "an endpoint that must not answer has no counterpart here"
            self._notes.append(Note(self._section.where("conditions"), advice))
        return expectations

    def _work(self, client: Section, expectations: Expectations) -> tuple[Any, dict[str, Any]]:
        """The task, ``None`` when none does the same, and the options of the job."""
        scheme, separator, rest = self._url.partition("://")
        if self._section.take("dns") is not None:
            return self._dns(rest if separator else scheme), {}
        host = rest.rstrip("/")
        match scheme:
            case "http" | "https":
                return self._http(client, expectations)
            case "icmp":
                return {"ping": host}, {}
            case "tcp":
                return {"tcp_ping": host}, {}
            case "tls":
                return {"tcp_ping": host}, {"tls": True}
            case _:
                at = self._section.where("url")
                self._notes.append(Note(at, f"no task probes '{scheme}://'" if separator else "no task fits this URL"))
                return None, {}

    def _http(self, client: Section, expectations: Expectations) -> tuple[Any, dict[str, Any]]:
        section = self._section
        url = self._veil.url(self._url, section.where("url"))
        method = (section.text("method") or "GET").upper()
        at = section.where("headers")
        headers = {n: self._veil.header(n, _notation(v), at) for n, v in section.strings("headers").items()}
        body = section.text("body")
        if body is not None and _PLACEHOLDER.search(body):
            self._notes.append(Note(section.where("body"), "placeholders in it are sent as they are written"))
        body = None if body is None else self._veil.text("body", _notation(body), section.where("body"))
        if section.flag("graphql") and body is not None:
            self._notes.append(Note(section.where("graphql"), 'has to be written out: make the body {"query": …}'))
        request = {key: value for key, value in (("headers", headers), ("body", body)) if value}
        is_ping = method == "GET" and not request and not expectations.needs_body and not expectations.has_status
        follows = not client.flag("ignore-redirect")
        options: dict[str, Any] = {"follow_redirects": follows} if follows == is_ping else {}
        if client.flag("insecure"):
            options["verify_tls"] = False
        proxy = client.text("proxy-url")
        if proxy is not None:
            options["proxy"] = self._veil.url(_notation(proxy), client.where("proxy-url"))
        if is_ping:
            return {"http_ping": url}, options
        return {"http_request": {"url": url, "method": method, **request}}, options

    def _dns(self, server: str) -> Any:
        dns = self._section.section("dns")
        kind = text(dns.need("query-type")).lower()
        name = _notation(text(dns.need("query-name")))
        if kind not in RECORD_TYPES:
            self._notes.append(Note(dns.where("query-type"), f"no task asks for '{kind.upper()}'"))
            return None
        address = dns_server(server)
        if address is None:
            self._notes.append(Note(self._section.where("url"), "a DNS server has to be given by its IP address"))
            return None
        return {"dns": {"domain": name, "record_types": [kind], "dns_server": address}}

    def _finish(self, client: Section) -> None:
        self._section.take("ui")
        self._notes += self._section.leftovers()
        self._notes += client.leftovers()
