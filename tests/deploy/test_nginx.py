"""TLS before the server: Debian's nginx with the shipped file, a real server behind it, and calls through both."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.agent.certificates import make_certificate
from tests.processes import ROOT, ROOT_DIRECTORY, START_S, agent_config, agent_token_limits, call, run, run_server

pytestmark = pytest.mark.external("nginx")

SITE = ROOT_DIRECTORY / "deploy/nginx/cronprobe.conf"
AGENT = "e8583352-39e8-5a5b-b66c-e450689088fd"
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "nodeget-server_hello", "params": []}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port: int = holder.getsockname()[1]
        return port


def configuration(folder: Path, port: int, behind: int, *, allowed: str) -> Path:
    """The shipped site with this test's ports, certificate and who may see the metrics, in a whole configuration."""
    site = SITE.read_text()
    replaced = {
        "    listen [::]:443 ssl;\n": "",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "127.0.0.1:2211": f"127.0.0.1:{behind}",
        "/etc/ssl/cronprobe/fullchain.pem": str(folder / "cert.pem"),
        "/etc/ssl/cronprobe/privkey.pem": str(folder / "key.pem"),
        "allow 127.0.0.1;": f"allow {allowed};",
    }
    for shipped, here in replaced.items():
        assert shipped in site
        site = site.replace(shipped, here)
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr notice;\nevents {{}}\nhttp {{\n"
        f"access_log off;\n{''.join(f'{path}_temp_path {folder}/{path};' for path in paths)}\n{site}}}\n"
    )
    return file


@asynccontextmanager
async def nginx(file: Path, port: int) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec("nginx", "-p", file.parent, "-c", file)
    try:
        async with asyncio.timeout(START_S):
            await until_listens(port)
        yield
    finally:
        process.terminate()
        await process.wait()


async def until_listens(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        await writer.wait_closed()
        return


async def status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(url) as response:
        return response.status


async def test_agents_and_callers_come_through_and_metrics_are_not_for_everybody(tmp_path: Path) -> None:
    port = free_port()
    certificate = make_certificate(tmp_path, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(certificate.file))
    url = f"https://127.0.0.1:{port}"
    async with run_server(tmp_path / "state") as server, call(server.url) as caller:
        file = configuration(tmp_path, port, server.port, allowed="192.0.2.1")
        token = await caller.make_token(agent_token_limits(AGENT))
        agent_file = agent_config(tmp_path, name="agent", uuid=AGENT, server_uuid=server.uuid, token=token, url=url)
        async with (
            nginx(file, port),
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as http,
            run("agent", "-c", agent_file, directory=tmp_path, SSL_CERT_FILE=str(certificate.file)) as agent,
        ):
            await server.process.says("agent connected")
            async with http.post(url, json=HELLO) as response:
                assert (await response.json())["result"] == "NodeGet Server Is Running!"
            async with http.ws_connect(f"wss://127.0.0.1:{port}/nodeget/rpc") as ws:
                await ws.send_json(HELLO)
                assert (await ws.receive_json(timeout=START_S))["result"] == "NodeGet Server Is Running!"
            assert [await status(http, url + page) for page in ("/", "/metrics", "/-/ready")] == [200, 403, 403]
            await agent.stop()
        await server.process.stop()


async def test_metrics_are_for_the_machine_itself(tmp_path: Path) -> None:
    port = free_port()
    certificate = make_certificate(tmp_path, "-addext", "subjectAltName=IP:127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(certificate.file))
    async with (
        run_server(tmp_path / "state") as server,
        nginx(configuration(tmp_path, port, server.port, allowed="127.0.0.1"), port),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as http,
    ):
        assert [await status(http, f"https://127.0.0.1:{port}{page}") for page in ("/metrics", "/-/ready")] == [
            200,
            200,
        ]
        await server.process.stop()


async def test_people_log_in_to_the_status_page_and_see_it_live(tmp_path: Path) -> None:
    port = free_port()
    certificate = make_certificate(tmp_path, "-addext", "subjectAltName=IP:127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(certificate.file))
    url = f"https://127.0.0.1:{port}"
    async with (
        run_server(tmp_path / "state") as server,
        nginx(configuration(tmp_path, port, server.port, allowed="192.0.2.1"), port),
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusting), cookie_jar=aiohttp.CookieJar(unsafe=True)
        ) as http,
    ):
        async with http.post(f"{url}/-/login", data={"credential": ROOT, "back": "/gaps"}) as response:
            assert (response.status, response.url.path) == (200, "/gaps")
            assert "Secure" in response.history[0].headers["set-cookie"]
            style = next(line for line in (await response.text()).split('"') if line.endswith("page.css"))
        assert await status(http, url + style) == 200
        async with http.ws_connect(f"{url}/-/live?path=/", origin=url) as ws:
            assert "summary" in (await ws.receive_json(timeout=START_S))["parts"]
        await server.process.stop()
