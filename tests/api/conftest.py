"""A real API on a loopback port, a real relay beside it, and clients that speak real HTTP and WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette

from app.access.tokens import mint_token
from app.db.engine import create_engine
from app.db.pool import Database
from app.main import create_app
from app.processes.outbox_relay import run_relay
from app.services.container import Services
from app.settings import Settings
from tests.bank import Bank
from tests.servers import free_port
from tests.transport_ws import Socket, open_socket


@dataclass
class Api:
    """A running API, and what a client needs to call it."""

    url: str
    settings: Settings
    http: httpx.AsyncClient
    bank: Bank
    services: Services
    app: Starlette
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, subject: str) -> str:
        """A bearer token; `admin` carries the role."""
        if subject not in self.tokens:
            role = "admin" if subject == "admin" else None
            self.tokens[subject] = mint_token(subject, self.settings, role=role)
        return self.tokens[subject]

    def headers(self, subject: str | None) -> dict[str, str]:
        """The Authorization header of a user; empty for None."""
        return {} if subject is None else {"Authorization": f"Bearer {self.token(subject)}"}

    async def graphql(self, subject: str | None, query: str, **variables: Any) -> dict[str, Any]:
        """Run one operation and return the whole answer."""
        response = await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=self.headers(subject))
        answer: dict[str, Any] = response.json()
        return answer

    async def data(self, subject: str | None, query: str, **variables: Any) -> dict[str, Any]:
        """Run one operation, which must succeed, and return its data."""
        answer = await self.graphql(subject, query, **variables)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def codes(self, subject: str | None, query: str, **variables: Any) -> list[str]:
        """Run one operation and return the codes of its top-level errors."""
        answer = await self.graphql(subject, query, **variables)
        return [error["extensions"]["code"] for error in answer.get("errors", [])]

    def socket(self, subject: str | None = None, **init: Any) -> Any:
        """A WebSocket whose connection_init is acknowledged."""
        payload = {**self.headers(subject), **init}
        return open_socket(self.url.replace("http", "ws", 1) + "/graphql", payload)

    async def relayed(self) -> None:
        """Wait until all events so far are published: later subscribers get none of them."""
        async with asyncio.timeout(10):
            while await self.bank.count("outbox"):  # noqa: ASYNC110 - the relay is another task
                await asyncio.sleep(0.02)

    async def wallet(self, subject: str, currency: str = "USD", balance: str | None = None) -> str:
        """Open a wallet for a user and return its public id."""
        return await self.bank.wallet(await self.bank.viewer(subject), currency, balance)


@asynccontextmanager
async def serving(settings: Settings, engine: Database, *, relay: bool = True) -> AsyncIterator[Api]:
    """An API, with a relay beside it unless `relay` is false."""
    port = free_port()
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False))
    stop = asyncio.Event()
    others = [asyncio.create_task(run_relay(settings, stop))] if relay else []
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:
                assert not task.done(), "the API did not start"
                await asyncio.sleep(0.01)
        services: Services = app.state.services
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=20) as http:
            yield Api(url, settings, http, Bank(engine, services.ledger, services.currencies), services, app)
    finally:
        # Also after a failed test: what it leaves running would fail the next one.
        server.should_exit = True
        stop.set()
        await asyncio.gather(task, *others)


@pytest.fixture
async def api(settings: Settings, engine: Database) -> AsyncIterator[Api]:
    """A running API on a database of the test's own."""
    async with serving(settings, engine) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    """A running API that the tests of a file share, for tests whose wallets are their own and that change no settings."""
    engine = create_engine(module_settings)
    async with serving(module_settings, engine) as running:
        yield running
    await engine.dispose()


shares_api = pytest.mark.asyncio(loop_scope="module")
"""For each test of `shared`: it runs in the event loop of the API."""

__all__ = ["Api", "Socket", "serving", "shares_api"]
