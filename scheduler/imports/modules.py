"""
Modules of a blackbox_exporter: each as the task that does the same, with what is expected of its result.

To add a prober: its function in ``_PROBERS``. What a function does not ask its section for is noted as left out.
"""

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from scheduler.imports.dns_servers import RECORD_TYPES, dns_server
from scheduler.imports.interface import Note
from scheduler.imports.secrecy import Variables, Veil, literal
from scheduler.imports.sources import Section, elements, text, where, whole

# Forms that Go's regular expressions have and Python's have not, or read otherwise.
_ONLY_GO = re.compile(r"\[\[:|\\[QECpPz]|\(\?[a-z]*U")


class Probe(Struct, frozen=True, kw_only=True):
    """
    What a module does.

    ``task`` makes the task object from a target in the job file's notation; ``None``: no task does this. ``address``
    makes the target from what is written; ``None`` from it: no task can have it. ``keys`` are other keys of the job.
    """

    task: Callable[[str], Any] | None
    address: Callable[[str], str | None] = literal
    keys: Mapping[str, Any] = {}
    timeout_ms: int | None = None
    notes: tuple[Note, ...] = ()
    target_of_cell: bool = False


def read_modules(config: Section, variables: Variables) -> dict[str, Probe]:
    """The modules of a blackbox_exporter's configuration, by name."""
    return {name: _module(name, Section(node), variables) for name, node in Section(config.need("modules"))}


def _module(name: str, module: Section, variables: Variables) -> Probe:
    notes: list[Note] = []
    prober = text(module.need("prober"))
    timeout_ms = module.ms("timeout")
    reader = _PROBERS.get(prober)
    if reader is None:
        notes.append(Note(module.where("prober"), f"no task does what the prober '{prober}' does"))
        return Probe(task=None, timeout_ms=timeout_ms, notes=tuple(notes))
    section = module.section(prober)
    probe = reader(section, Veil(name, variables, notes), notes)
    notes += section.leftovers()
    keys = {key: value for key, value in probe.keys.items() if value}
    return Probe(
        task=probe.task,
        address=probe.address,
        keys=keys,
        timeout_ms=timeout_ms,
        notes=tuple(notes),
        target_of_cell=probe.target_of_cell,
    )


def _icmp(icmp: Section, _veil: Veil, notes: list[Note]) -> Probe:
    options: dict[str, Any] = _family(icmp, notes)
    options |= {key: icmp.whole(theirs) for key, theirs in (("size", "payload_size"), ("ttl", "ttl"))}
    options["dont_fragment"] = icmp.flag("dont_fragment") or None
    return Probe(task=lambda target: {"ping": target}, keys={"options": _given(options)})


def _tcp(tcp: Section, _veil: Veil, notes: list[Note]) -> Probe:
    options: dict[str, Any] = {**_family(tcp, notes), "tls": tcp.flag("tls") or None}
    notes += tcp.section("tls_config").leftovers()
    return Probe(task=lambda target: {"tcp_ping": target}, keys={"options": _given(options)})


def _http(http: Section, veil: Veil, notes: list[Note]) -> Probe:
    headers = {
        name: veil.header(name, literal(value), http.where("headers"))
        for name, value in http.strings("headers").items()
    }
    _authorize(http, headers, veil)
    request = _given({"headers": headers or None, "body": _body(http, veil)})
    method = (http.text("method") or "GET").upper()
    statuses: list[Any] = [whole(node) for node in http.listed("valid_status_codes")]
    expect = _given({"body_regex": _body_regex(http, notes), "header": _header_regexes(http, notes) or None})
    is_ping = method == "GET" and not (request or statuses or expect)
    follows = http.flag("follow_redirects", absent=True) and not http.flag("no_follow_redirects")
    options = {
        **_family(http, notes),
        "follow_redirects": follows if follows == is_ping else None,
        **_tls(http.section("tls_config"), notes),
        "proxy": _proxy(http, veil),
    }

    def task(target: str) -> Any:
        if is_ping:
            return {"http_ping": target}
        return {"http_request": {"url": target, "method": method, **request}}

    keys = {"options": _given(options), "expect": {"status": statuses or ["2xx"], **expect}}
    return Probe(task=task, address=lambda target: str(literal(_with_scheme(target))), keys=keys)


def _dns(dns: Section, _veil: Veil, notes: list[Note]) -> Probe:
    domain = literal(text(dns.need("query_name")))
    kind = (dns.text("query_type") or "ANY").lower()
    for key in ("preferred_ip_protocol", "ip_protocol_fallback"):
        dns.take(key)  # the server is given by its address
    _only(dns, "transport_protocol", "udp", notes)
    _only(dns, "query_class", "IN", notes)
    if [text(node) for node in dns.listed("valid_rcodes")] not in ([], ["NOERROR"]):
        notes.append(Note(dns.where("valid_rcodes"), "an answer without records fails here, whatever its code"))
    if kind not in RECORD_TYPES:
        notes.append(Note(dns.where("query_type"), f"no task asks for '{kind.upper()}'; want one of those it knows"))
        return Probe(task=None)
    return Probe(
        task=lambda target: {"dns": {"domain": domain, "record_types": [kind], "dns_server": target}},
        address=dns_server,
        target_of_cell=True,
    )


_PROBERS: Mapping[str, Callable[[Section, Veil, list[Note]], Probe]] = {
    "icmp": _icmp,
    "tcp": _tcp,
    "http": _http,
    "dns": _dns,
}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _only(section: Section, key: str, usual: str, notes: list[Note]) -> None:
    value = section.text(key)
    if value is not None and value.lower() != usual.lower():
        notes.append(Note(section.where(key), f"is always {usual} here"))


def _family(section: Section, notes: list[Note]) -> dict[str, Any]:
    """Only a protocol that is not the usual one, or that may not be left, is said: both families are tried anyway."""
    preferred = section.text("preferred_ip_protocol")
    fallback = section.flag("ip_protocol_fallback", absent=True)
    if preferred == "ip4":
        if fallback:
            at = section.where("preferred_ip_protocol")
            notes.append(Note(at, "becomes family: 4, which does not fall back to IPv6"))
        return {"family": 4}
    return {} if fallback else {"family": 6}


def _with_scheme(target: str) -> str:
    return target if target.startswith(("http://", "https://")) else f"http://{target}"


def _authorize(http: Section, headers: dict[str, str], veil: Veil) -> None:
    """The header that the different ways to authorize amount to."""
    basic = http.section("basic_auth")
    if basic.text("username") is not None or basic.text("password") is not None:
        advice = f"base64 of {basic.text('username') or ''}:PASSWORD"
        basic.take("password_file")
        value = f"{basic.text('username')}:{basic.text('password')}"
        headers["authorization"] = f"Basic {veil.secret('basic_auth', value, http.where('basic_auth'), advice)}"
    bearer, file = http.text("bearer_token"), http.text("bearer_token_file")
    authorization = http.section("authorization")
    scheme = authorization.text("type") or "Bearer"
    at = http.where("bearer_token" if bearer else "authorization")
    bearer = bearer or authorization.text("credentials")
    file = file or authorization.text("credentials_file")
    if bearer is not None:
        headers["authorization"] = f"{scheme} {veil.secret('token', bearer, at, 'the token')}"
    elif file is not None:
        headers["authorization"] = f"{scheme} ${{file:{file}}}"


def _body(http: Section, veil: Veil) -> str | None:
    file = http.text("body_file")
    if file is not None:
        return f"${{file:{file}}}"
    body = http.text("body")
    return None if body is None else veil.text("body", literal(body), http.where("body"))


def _proxy(http: Section, veil: Veil) -> str | None:
    proxy = http.text("proxy_url")
    return None if proxy is None else veil.url(literal(proxy), http.where("proxy_url"))


def _tls(tls: Section, notes: list[Note]) -> dict[str, Any]:
    server_name = tls.text("server_name")
    options = {
        "verify_tls": False if tls.flag("insecure_skip_verify") else None,
        "server_name": None if server_name is None else literal(server_name),
    }
    notes += tls.leftovers()
    return options


def _body_regex(http: Section, notes: list[Note]) -> str | None:
    node = http.take("fail_if_body_not_matches_regexp")
    if node is None:
        return None
    patterns = elements(node)
    notes += [Note(where(p), "a job expects one regular expression of the body; left out") for p in patterns[1:]]
    return _regex(text(patterns[0]), where(patterns[0]), notes) if patterns else None


def _header_regexes(http: Section, notes: list[Note]) -> dict[str, str]:
    expected: dict[str, str] = {}
    for node in http.listed("fail_if_header_not_matches"):
        match = Section(node)
        name = text(match.need("header")).lower()
        pattern = _regex(text(match.need("regexp")), where(node), notes)
        if match.flag("allow_missing") or name in expected:
            notes.append(Note(where(node), "a job expects one regular expression of a header that is there; left out"))
        elif pattern is not None:
            expected[name] = pattern
    return expected


def _regex(pattern: str, at: str, notes: list[Note]) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, Warning):
        usable = False
    else:
        usable = _ONLY_GO.search(pattern) is None
    if not usable:
        notes.append(Note(at, "this regular expression is not one of Python's; left out"))
        return None
    return str(literal(pattern))
