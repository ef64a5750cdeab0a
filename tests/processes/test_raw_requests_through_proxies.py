"""Raw requests through nginx and HAProxy, which reuse their connections to the service.

After each attack another client pays over the same connection: it gets its own answer, and its money moves once.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from app.access.tokens import mint_token
from app.settings import Settings
from tests.bank import new_key
from tests.processes.raw_requests import ALL, SMUGGLED, SWALLOWING, WAIT, Raw
from tests.processes.test_strangers import service
from tests.servers import free_port
from tests.waiting import soon

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
HAPROXY = shutil.which("haproxy") or shutil.which("/usr/sbin/haproxy")
PAUSE_SECONDS = 0.05
OPEN = 'mutation($key: String!) { openWallet(input: {idempotencyKey: $key, currency: "USD", name: "x"}) { wallet { id } } }'
DEPOSIT = """mutation($key: String!, $wallet: ID!) {
  deposit(input: {idempotencyKey: $key, walletId: $wallet, amount: {amount: "1000", currency: "USD"}}) { userErrors { code } }
}"""
PAY = """mutation($key: String!, $from: ID!, $to: ID!, $words: String) {
  transfer(input: {
    idempotencyKey: $key, senderWalletId: $from, receiverWalletId: $to, description: $words,
    amount: {amount: "1.00", currency: "USD"}
  }) { transaction { status description } replayed userErrors { code } }
}"""


def nginx(directory: Path, port: int, upstream: int) -> list[str]:
    """nginx with one worker, one kept connection and the usual headers for WebSockets."""
    temporary = "".join(
        f"  {name}_temp_path {directory / name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 200; }}
http {{
  access_log off; ignore_invalid_headers off; underscores_in_headers on; client_max_body_size 0;
{temporary}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream paycore {{ server 127.0.0.1:{upstream}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://paycore; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; proxy_set_header Host $host;
    }}
  }}
}}
""")
    return [str(NGINX), "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log")]


def haproxy(directory: Path, port: int, upstream: int) -> list[str]:
    """HAProxy with one thread, connections reused by all clients, and invalid requests accepted."""
    (directory / "haproxy.cfg").write_text(f"""
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
  http-reuse always
frontend all
  bind 127.0.0.1:{port}
  option accept-invalid-http-request
  default_backend paycore
backend paycore
  server one 127.0.0.1:{upstream} pool-max-conn 1
""")
    return [str(HAPROXY), "-db", "-q", "-f", str(directory / "haproxy.cfg")]


@asynccontextmanager
async def proxied(command: Callable[[Path, int, int], list[str]], directory: Path, upstream: int) -> AsyncIterator[int]:
    """The port of a proxy in front of the service."""
    port = free_port()
    # As root, nginx would switch to a user who may not write here.
    process = psutil.Popen(command(directory, port, upstream), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await soon(lambda: not process.is_running() or listens(port), 30)
        assert process.is_running()
        yield port
    finally:
        process.terminate()
        process.wait(30)


def listens(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200
    return False


class Victim:
    """A client that pays through the proxy, with a new connection to it each time."""

    def __init__(self, settings: Settings, port: int) -> None:
        self._settings = settings
        self._url = f"http://127.0.0.1:{port}/graphql"
        self.wallets: list[str] = []

    async def ask(self, query: str, *, role: str | None = None, **variables: Any) -> dict[str, Any]:
        """Run one operation and return its data."""
        token = mint_token(role or "victim", self._settings, role=role)
        async with httpx.AsyncClient(timeout=30) as http:
            response = await http.post(
                self._url,
                json={"query": query, "variables": {"key": new_key(), **variables}},
                headers={"Authorization": f"Bearer {token}"},
            )
        data: dict[str, Any] = response.json()["data"]
        return data

    async def open(self) -> None:
        """Open two wallets and deposit money in the first."""
        for _ in range(2):
            self.wallets.append((await self.ask(OPEN))["openWallet"]["wallet"]["id"])
        assert (await self.ask(DEPOSIT, role="admin", wallet=self.wallets[0]))["deposit"]["userErrors"] == []

    async def pays(self, words: str) -> str | None:
        """Send a transfer with this description; return what is wrong with its answer, or None."""
        sender, receiver = self.wallets
        try:
            paid = (await self.ask(PAY, **{"from": sender, "to": receiver, "words": words}))["transfer"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            return repr(error)
        expected = {"transaction": {"status": "COMPLETED", "description": words}, "replayed": False, "userErrors": []}
        return None if paid == expected else repr(paid)


async def attack(port: int, raw: Raw) -> asyncio.StreamWriter:
    """Send the request and a probe that would take the next client's answer. The connection stays open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError, TimeoutError):
        for part in raw.parts:
            if part == WAIT:
                # A proxy may answer itself, or not at all.
                await asyncio.wait_for(reader.read(65536), 1)
            writer.write(part)
            await asyncio.wait_for(writer.drain(), 10)
            await asyncio.sleep(PAUSE_SECONDS)
        if raw.closes:
            writer.write(SMUGGLED + SWALLOWING)
        await asyncio.wait_for(reader.read(65536), 0.2)
    return writer


PROXIES = [
    pytest.param(nginx, marks=pytest.mark.skipif(NGINX is None, reason="nginx is not installed here")),
    pytest.param(haproxy, marks=pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed here")),
]


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", PROXIES)
async def test_no_answer_belongs_to_another_request(
    settings: Settings, tmp_path: Path, command: Callable[[Path, int, int], list[str]]
) -> None:
    found = {}
    async with service(settings, PAYCORE_BODY_TIMEOUT_SECONDS="2") as upstream, proxied(command, tmp_path, upstream) as port:
        victim = Victim(settings, port)
        await victim.open()
        for name, raw in ALL.items():
            attacker = await attack(port, raw)
            if (fault := await victim.pays(name)) is not None:
                found[name] = fault
            attacker.close()
        balance = (await victim.ask("query($id: ID!) { wallet(id: $id) { balance { amount } } }", id=victim.wallets[1]))["wallet"]
    assert not found, "\n".join(f"{name}: {what}" for name, what in found.items())
    assert balance == {"balance": {"amount": f"{len(ALL)}.00"}}
