"""URLs with a trailing slash, behind a proxy that terminates TLS, or under a path prefix."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from tests.api.conftest import Api
from tests.servers import free_port
from tests.transport_ws import open_socket
from tests.waiting import soon

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
PUBLIC = "https://example.com/pay"


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/graphql/", "/graphql"),
        ("/graphql/?query=%7Bviewer%7Bid%7D%7D&a=/", "/graphql?query=%7Bviewer%7Bid%7D%7D&a=/"),
        ("/wallets/wal_%C3%A5/", "/wallets/wal_%C3%A5"),
        ("/transfer/", "/transfer"),
        ("/healthz/", "/healthz"),
    ],
)
async def test_a_trailing_slash_is_redirected_to_the_same_scheme_host_and_prefix(api: Api, path: str, leads_to: str) -> None:
    headers = {"Host": "internal:8000", "X-Forwarded-Proto": "http"}
    response = await api.http.get(path, headers=headers, follow_redirects=False)
    assert response.status_code == 307
    assert urljoin(PUBLIC + path, response.headers["location"]) == PUBLIC + leads_to


@pytest.mark.parametrize(
    "path", ["/nothing/", "/graphql//", "/graphql%2F", "//example.org/", "//example.org/graphql/", "/assets"]
)
async def test_a_trailing_slash_on_an_unknown_path_is_404(api: Api, path: str) -> None:
    response = await api.http.get(api.url + path, follow_redirects=False)
    assert response.status_code == 404


@pytest.fixture
async def under_a_prefix(api: Api, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of an nginx that serves the API under /pay/."""
    if NGINX is None:
        pytest.skip("nginx is not installed here")
    port = free_port()
    configuration = tmp_path / "nginx.conf"
    places = "".join(f"{name}_temp_path {tmp_path}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    configuration.write_text(f"""
{"user root;" if os.getuid() == 0 else ""} daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}
http {{ access_log off; {places}
  server {{ listen 127.0.0.1:{port};
    location /pay/ {{ proxy_pass {api.url}/; proxy_http_version 1.1; proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; }} }} }}
""")
    with (tmp_path / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(NGINX, "-c", configuration, "-p", tmp_path, stderr=log)
    try:
        await soon(lambda: answers(f"http://127.0.0.1:{port}") or process.returncode is not None, 20)
        assert process.returncode is None, (tmp_path / "log").read_text()
        yield f"http://127.0.0.1:{port}/pay"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=5)
    except httpx.HTTPError:
        return False
    return True


async def test_graphql_and_rest_work_under_a_prefix(api: Api, under_a_prefix: str) -> None:
    wallet = await api.wallet("alice", balance="5.00")
    async with httpx.AsyncClient(headers=api.headers("alice"), follow_redirects=True) as client:
        body = {"query": "query($id: ID!) { wallet(id: $id) { id } }", "variables": {"id": wallet}}
        for path in ("/graphql", "/graphql/"):
            answer = await client.post(under_a_prefix + path, json=body)
            assert answer.json()["data"] == {"wallet": {"id": wallet}}
        rest = await client.get(f"{under_a_prefix}/wallets/{wallet}/")
        assert (rest.status_code, rest.json()["id"]) == (200, wallet)


async def test_live_updates_work_under_a_prefix(api: Api, under_a_prefix: str) -> None:
    wallet = await api.wallet("alice", balance="5.00")
    async with open_socket(under_a_prefix.replace("http", "ws", 1) + "/graphql", api.headers("alice")) as socket:
        await socket.subscribe("1", "subscription($id: ID!) { walletUpdated(walletId: $id) { kind } }", id=wallet)
        assert await socket.data("1") == {"walletUpdated": {"kind": "SNAPSHOT"}}
