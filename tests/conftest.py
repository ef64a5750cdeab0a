"""Fixtures of all tests: servers once per test process, and a new database for each test."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from xdist.scheduler import LoadScopeScheduling

from app.db import migrate
from app.db.engine import create_engine
from app.db.pool import Database
from app.demo import seed
from app.demo.embedded import start_servers
from app.settings import Settings, load_settings
from tests import servers as backends
from tests.servers import Servers

_TEST_PREFIX = "PAYCORE_TEST_"
_SHARING_AN_API = (
    "bad_input", "compression", "largest_batch", "protocol", "query_limits", "quoted_keys", "rest", "strict_json",
    "subscriptions",
)  # fmt: skip
_SHARING = (
    "tests/processes/",
    "tests/api/test_typescript_client.py",
    *(f"tests/api/test_{name}.py" for name in _SHARING_AN_API),
)
"""Where the tests of a file share processes, a compiled client or an API."""
_BROWSER = "tests/browser/"
_BROWSERS = (
    ("activity", "page_faults", "pictures"),
    ("exchange_pages", "matrix", "palette"),
    ("dashboard_pages", "fees_pages", "graphiql_page", "landing_page", "outages"),
)
"""The browser's tests run in four groups, in different workers: these three and the rest. Each takes about as long."""


def pytest_configure() -> None:
    """Ignore the user's settings, except the servers for tests."""
    if "PAYCORE_DATABASE_URL" in os.environ and "PAYCORE_REDIS_URL" in os.environ:
        os.environ.setdefault("PAYCORE_TEST_DATABASE_URL", os.environ["PAYCORE_DATABASE_URL"])
        os.environ.setdefault("PAYCORE_TEST_REDIS_URL", os.environ["PAYCORE_REDIS_URL"])
    for name in [name for name in os.environ if name.startswith("PAYCORE_") and not name.startswith(_TEST_PREFIX)]:
        del os.environ[name]
    # Each client of httpx loads the web's certificate authorities: 40 ms of CPU. The tests only speak plain HTTP.
    transports: Any = httpx._transports.default
    transports.create_ssl_context = functools.cache(transports.create_ssl_context)


# Optional, because without pytest-xdist there is no such hook.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """How tests are spread over the workers."""
    return _Scheduling(config, log)


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Tests that share what is costly to start run in one worker. Starts with the largest groups; single tests end the run."""

    def _split_scope(self, nodeid: str) -> str:
        """The group of a test."""
        file = nodeid.partition("::")[0]
        if backends.are_given():
            return "all, because they share the given servers"
        if file.startswith(_BROWSER):
            name = file.removeprefix(_BROWSER).removeprefix("test_").removesuffix(".py")
            return f"browser {next((number for number, names in enumerate(_BROWSERS) if name in names), 'rest')}"
        return file if file.startswith(_SHARING) else nodeid


def pytest_collection_finish() -> None:
    """Collect garbage less often: the modules and test cases stay, and looking through them takes a tenth of the run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL and Redis. A test that stops them uses `clean_servers`, which starts them again."""
    yield from backends.servers_by_setting()


@pytest.fixture(scope="session")
def template_database(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a migrated, otherwise empty database, which tests copy."""
    name = f"paycore_template_{uuid4().hex[:12]}"
    servers.execute(f"CREATE DATABASE {name}")
    url = backends.with_database(servers.database_url, name)
    asyncio.run(migrate.upgrade(_settings(url, servers.redis_url, tmp_path_factory.mktemp("home"))))
    yield name
    servers.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def seeded_template(servers: Servers, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a database with the demo's users and payments, which tests copy."""
    with _copy_of(template_database, servers) as url:
        asyncio.run(seed.create_demo_data(_settings(url, servers.redis_url, tmp_path_factory.mktemp("home"))))
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture(scope="session")
def seeded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a demo that has run and is stopped, which tests copy: to make one takes four seconds of CPU."""
    home = tmp_path_factory.mktemp("seeded") / "home"
    with start_servers(home) as embedded:
        settings = _settings(embedded.database_url, embedded.redis_url, home)
        asyncio.run(migrate.upgrade(settings))
        asyncio.run(seed.create_demo_data(settings))
    return home


@pytest.fixture
def empty_database(servers: Servers) -> Iterator[str]:
    """The URL of a database without tables, for tests of migrations."""
    name = f"paycore_empty_{uuid4().hex[:12]}"
    servers.execute(f"CREATE DATABASE {name}")
    yield backends.with_database(servers.database_url, name)
    servers.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(servers: Servers, template_database: str) -> Iterator[str]:
    """The URL of a migrated database that only this test uses."""
    with _copy_of(template_database, servers) as url:
        yield url


@pytest.fixture(scope="module")
def module_settings(servers: Servers, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a service that the tests of a file share, on a database of the file's own."""
    with _copy_of(template_database, servers) as url:
        yield _settings(url, servers.redis_url, tmp_path_factory.mktemp("home"))


@pytest.fixture
def settings(database: str, servers: Servers, tmp_path: Path) -> Settings:
    """The settings of a service on this test's database."""
    return _settings(database, servers.redis_url, tmp_path)


@pytest.fixture
def seeded_settings(seeded_template: str, servers: Servers, tmp_path: Path) -> Iterator[Settings]:
    """The settings of a service on a database of this test, with the demo's users and payments."""
    with _copy_of(seeded_template, servers) as url:
        yield _settings(url, servers.redis_url, tmp_path)


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[Database]:
    """The service's own engine on this test's database."""
    engine = create_engine(settings)
    yield engine
    await engine.dispose()


@pytest.fixture
def clean_servers(servers: Servers) -> Iterator[Servers]:
    """The servers, for a test that stops or crashes them: they are started again after the test."""
    yield servers
    servers.ensure_running()


@pytest.fixture
def free_port() -> int:
    """An unused TCP port of the loopback address."""
    return backends.free_port()


@contextmanager
def _copy_of(template: str, servers: Servers) -> Iterator[str]:
    name = f"paycore_test_{uuid4().hex[:12]}"
    servers.execute(f"CREATE DATABASE {name} TEMPLATE {template} {servers.copying}")
    yield backends.with_database(servers.database_url, name)
    servers.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _settings(database_url: str, redis_url: str, home: Path) -> Settings:
    return load_settings(environment="test", database_url=database_url, redis_url=redis_url, home=home)
