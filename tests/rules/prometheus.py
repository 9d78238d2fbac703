"""Debian's Prometheus with rules, and promtool, as real processes. It looks each second; every wait has a deadline."""

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

_START_S = 20.0
_STOP_S = 10.0
_LOOK_EVERY_S = 0.2
_PROMTOOL_S = 120.0


def promtool(*arguments: str | Path) -> str:
    """What it complains of; empty when it is content."""
    done = subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=_PROMTOOL_S, check=False
    )
    return "" if done.returncode == 0 and not done.stderr else done.stdout + done.stderr


def unused_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as open_socket:
        port: int = open_socket.getsockname()[1]
        return port


class Prometheus:
    """A running one, asked over its API."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer."""
        async with self._http.get(f"{self._url}/api/v1/{path}", params=parameters) as response:
            return (await response.json())["data"]

    async def samples(self, query: str) -> list[float]:
        """The values of an instant query."""
        return [float(found["value"][1]) for found in (await self.ask("query", query=query))["result"]]

    async def firing(self) -> list[dict[str, Any]]:
        """The alerts that ring."""
        return [alert for alert in (await self.ask("alerts"))["alerts"] if alert["state"] == "firing"]

    async def rules(self) -> list[dict[str, Any]]:
        """All rules, with how their last evaluation went."""
        return [rule for group in (await self.ask("rules"))["groups"] for rule in group["rules"]]

    async def until_firing(self, name: str, within_s: float, **labels: str) -> dict[str, Any]:
        """Wait for an alert with these labels."""

        def matches(alert: dict[str, Any]) -> bool:
            return bool({"alertname": name, **labels}.items() <= alert["labels"].items())

        found = await self._until(lambda firing: any(map(matches, firing)), within_s, f"{name} {labels} never rang")
        return next(filter(matches, found))

    async def until_quiet(self, within_s: float, but_for: Iterable[str] = ()) -> None:
        """Wait until nothing rings."""
        left = frozenset(but_for)
        await self._until(
            lambda firing: all(alert["labels"]["alertname"] in left for alert in firing), within_s, "it still rings"
        )

    async def _until(
        self, holds: Callable[[list[dict[str, Any]]], bool], within_s: float, why: str
    ) -> list[dict[str, Any]]:
        end_s = asyncio.get_running_loop().time() + within_s
        while not holds(found := await self.firing()):
            ringing = sorted({alert["labels"]["alertname"] for alert in found})
            assert asyncio.get_running_loop().time() < end_s, f"{why} within {within_s:g} s; what rings: {ringing}"
            await asyncio.sleep(_LOOK_EVERY_S)
        return found


@asynccontextmanager
async def open_prometheus(folder: Path, rules: dict[str, Any], target: str) -> AsyncIterator[Prometheus]:
    """It scrapes ``target`` and evaluates ``rules``, a document, each second."""
    folder.mkdir()
    (folder / "rules.yml").write_text(json.dumps(rules))  # which is YAML
    configuration = folder / "prometheus.yml"
    configuration.write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        "rule_files: [rules.yml]\n"
        f'scrape_configs: [{{job_name: cronprobe, static_configs: [{{targets: ["{target}"]}}]}}]\n'
    )
    address = f"127.0.0.1:{unused_port()}"
    arguments = [f"--config.file={configuration}", f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus", *arguments, f"--storage.tsdb.path={folder / 'tsdb'}", stdout=log, stderr=log
        )
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_STOP_S)) as http:
                await _until_ready(http, f"http://{address}", folder / "log")
                yield Prometheus(http, f"http://{address}")
        finally:
            process.terminate()
            async with asyncio.timeout(_STOP_S):
                await process.wait()


async def _until_ready(http: aiohttp.ClientSession, url: str, log: Path) -> None:
    end_s = asyncio.get_running_loop().time() + _START_S
    while True:
        try:
            async with http.get(f"{url}/-/ready") as response:
                if response.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        assert asyncio.get_running_loop().time() < end_s, f"Prometheus is not ready:\n{log.read_text()}"
        await asyncio.sleep(_LOOK_EVERY_S)
