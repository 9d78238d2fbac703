"""``cronprobe server``: the task server by itself."""

import asyncio
import sys
from typing import Annotated

import typer
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from rich.markup import escape

from cli.lifetime import live
from cli.options import (
    DEFAULT_LISTEN,
    DEFAULT_RETENTION,
    DEFAULT_STATE_DIR,
    Listen,
    Metrics,
    PublicPage,
    Retention,
    RootToken,
    StateDir,
    StoreUrl,
    join_listen,
    split_listen,
)
from cli.readiness import tell_ready
from cli.screen import console
from cli.times import span_ms
from protocol.errors import ConfigError
from server.app import Server, open_server
from server.config import MAX_CONNECTIONS, Config, MetricsExtent
from server.jobs import LEAST_RETENTION_MS
from server.store import public_url


def server(
    listen: Listen = DEFAULT_LISTEN,
    store: StoreUrl = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    root_token: RootToken = None,
    retention: Retention = DEFAULT_RETENTION,
    public_page: PublicPage = False,
    max_connections: Annotated[
        int,
        typer.Option(envvar="CRONPROBE_MAX_CONNECTIONS", min=1, help="WebSockets and calls at once; more get a 429."),
    ] = MAX_CONNECTIONS,
    metrics: Metrics = MetricsExtent.FULL,
) -> None:
    """
    Run the task server: it holds the agents, keeps the results, serves /metrics, JSON-RPC and the status page.

    The root token is made at the first start, kept in DIR/root-token, and shown once on a terminal.

    Example: `cronprobe server --listen 0.0.0.0:2211 --state-dir /var/lib/cronprobe`
    """
    config = replace(
        server_config(listen, store, state_dir, root_token, retention),
        max_connections=max_connections,
        metrics=metrics,
        public_page=public_page,
    )
    live(lambda stop: serve(config, stop))


def server_config(
    listen: Listen, store: StoreUrl, state_dir: StateDir, root_token: RootToken, retention: Retention
) -> Config:
    """The server's configuration from its flags."""
    host, port = split_listen(listen)
    kept_ms = None if retention == "forever" else _kept_ms(retention)
    return Config(
        host=host, port=port, state_dir=state_dir, store_url=store, root_token=root_token, retention_ms=kept_ms
    )


def _kept_ms(retention: str) -> int:
    kept_ms = span_ms(retention, "--retention")
    if kept_ms < LEAST_RETENTION_MS:
        raise ConfigError(f"--retention: {retention!r} is too short; want 1h or more, or forever")
    return kept_ms


async def serve(config: Config, stop: asyncio.Event) -> None:
    """Serve until ``stop``."""
    async with open_server(config, registry=CollectorRegistry()) as running:
        announce_server(running, config)
        tell_ready(f"serves on port {running.port}")
        await stop.wait()


def announce_server(server: Server, config: Config) -> None:
    """Say where things are; the root token only when it is new, and only to a person, never into a journal."""
    base = f"http://{join_listen(config.host, server.port)}"
    lines = [
        ("server", f"{base}   (UUID {server.uuid})"),
        ("page", f"{base}/"),
        ("metrics", f"{base}/metrics"),
        ("store", public_url(config.store)),
        ("token", f"{server.root_token_file}   (root)"),
    ]
    if server.new_root_token is not None and sys.stdout.isatty():
        lines.append(("", f"{server.new_root_token}   shown this once"))
    for name, text in lines:
        console.print(f"[bold]{name:8}[/bold] {escape(text)}")
