"""What every language has to say."""

from collections.abc import Mapping

from msgspec import Struct

from protocol.outcomes import Outcome, Reason
from server.pages.states import State


class Texts(Struct, frozen=True, kw_only=True):
    """
    One language: ``code`` is that of the cookie, ``tag`` that of the ``lang`` attribute, ``name`` its own name.

    What stands in braces is filled in.
    """

    states: Mapping[State, str]
    outcomes: Mapping[Outcome, str]
    reasons: Mapping[Reason, str]
    code: str
    tag: str
    name: str
    skip: str
    navigation: str
    jobs: str
    agents: str
    gaps: str
    language: str
    theme: str
    theme_auto: str
    theme_light: str
    theme_dark: str
    log_in: str
    log_out: str
    credential: str
    credential_hint: str
    wrong_credential: str
    log_in_first: str
    is_running: str
    metrics: str
    server: str
    version: str
    times: str
    live: str
    not_live: str
    search: str
    find: str
    all: str
    state: str
    job: str
    last_day: str
    latency: str
    mean_latency: str
    last_run: str
    agent: str
    target: str
    type: str
    reason: str
    success: str
    none_found: str
    none_declared: str
    not_readable: str
    more_agents: str
    previous: str
    next: str
    page_of: str
    pages: str
    schedule: str
    runbook: str
    labels: str
    probes: str
    chart: str
    chart_hint: str
    whole_day: str
    earlier: str
    later: str
    zoom_in: str
    no_latencies: str
    runs: str
    no_runs: str
    scheduled: str
    outcome: str
    message: str
    older: str
    newest: str
    connected: str
    away: str
    last_seen: str
    skew: str
    running: str
    no_agents: str
    agents_denied: str
    gaps_hint: str
    no_gaps: str
    first_due: str
    last_due: str
    ticks: str
    no_such_job: str
    no_store: str
    back: str
    strip: str
    no_strip: str
    line: str
    legend: str
