"""Fixtures that run Chromium against `paycore dev`: the supervised service with its seed data and its pages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from app.demo.dashboard_build import build
from app.demo.node import find_node
from tests.browser.service import Service
from tests.browser.window import Windows
from tests.servers import free_port
from tests.waiting import wait_until

REQUIRED = "PAYCORE_TEST_BROWSER"
"""If this is `required`, a missing Chromium fails the tests instead of skipping them."""
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
"""The first one found. The headless shell has no window of its own to draw, which takes two thirds of the time."""
_START_SECONDS = 90


expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the Chromium executable."""
    found = next((path for path in map(shutil.which, _NAMES) if path is not None), None)
    if found is None:
        if os.environ.get(REQUIRED) == "required":
            pytest.fail("there is no Chromium, and these tests are required")
        pytest.skip(f"needs a Chromium on the PATH: {', '.join(_NAMES)}")
    return found


# Package scope: Playwright's event loop runs until the fixture ends, and tests in other packages start their own loops.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    # The headless shell rounds the widths of letters unless it is told not to.
    arguments = ["--font-render-hinting=none", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    running = playwright.chromium.launch(executable_path=chromium, args=arguments)
    yield running
    running.close()


# Package scope: stopped after the last of these tests, as its relay and its pages' updates take CPU all the time.
@pytest.fixture(scope="package")
def service(chromium: str, seeded_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`paycore dev` with its own home directory. Depends on `chromium`, so it does not start if no browser is installed."""
    with running_service(tmp_path_factory.mktemp("paycore"), seeded_home) as running:
        yield running


@pytest.fixture(scope="package")
def quiet_service(chromium: str, seeded_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A second one, whose wallets only a few files use.

    Each with other wallets: test_activity.py the merchant's first one, test_wallet_chart.py those of Carol, and
    test_page_faults.py makes Alice rich and opens wallets.
    """
    with running_service(tmp_path_factory.mktemp("quiet"), seeded_home) as running:
        yield running


@contextmanager
def running_service(directory: Path, seeded_home: Path, **settings: str) -> Iterator[Service]:
    """Run `paycore dev` on a copy of the demo's data. Builds the pages first, unless the settings switch them off."""
    if settings.get("PAYCORE_DASHBOARD") != "false":
        node = find_node()
        node.install()
        build(node)
    port = free_port()
    shutil.copytree(seeded_home, directory / "home")
    log = (directory / "dev.log").open("wb")
    process = subprocess.Popen(
        [Path(sys.executable).parent / "paycore", "dev"],
        env={"PATH": os.environ["PATH"], "PAYCORE_HOME": str(directory / "home"), "PAYCORE_PORT": str(port), **settings},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    running = Service(f"http://127.0.0.1:{port}", directory / "home")
    try:
        assert wait_until(lambda: _answers(running.url) or process.poll() is not None, _START_SECONDS)
        assert process.poll() is None, (directory / "dev.log").read_text()
        yield running
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


KILLED = (
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "ERR_EMPTY_RESPONSE",
    "ERR_CONTENT_LENGTH_MISMATCH",
    "ERR_INCOMPLETE_CHUNKED_ENCODING",
    "ERR_SOCKET_NOT_CONNECTED",
    "WebSocket connection to",
    "503",
)
"""What Chromium logs when a connection is refused or breaks, also in the middle of an answer. The page itself logs nothing."""


@pytest.fixture
def outages() -> list[str]:
    """Parts of console errors that are allowed. A test that causes an outage appends the errors it expects."""
    return []


@pytest.fixture
def ambient() -> bool:
    """Whether the landing page makes payments by itself. They change balances that most tests compare."""
    return False


@pytest.fixture(scope="module")
def windows(browser: Browser, service: Service) -> Iterator[Windows]:
    """The window that the tests of a file share."""
    shared = Windows(browser, service.url)
    yield shared
    shared.close()


@pytest.fixture
def own_window(windows: Windows) -> Iterator[None]:
    """For a test that changes what cannot be cleaned, such as the page's clock or the scripts that run before it."""
    windows.close()
    yield
    windows.close()


@pytest.fixture
def context(windows: Windows, outages: list[str], ambient: bool) -> Iterator[BrowserContext]:
    """A clean browser window. Its pages must log no console error and send no request to another origin."""
    window = windows.open(ambient=ambient)
    yield window.context
    is_empty = window.empty()
    errors, strangers = list(window.watched.errors), list(window.watched.strangers)
    if is_empty:
        window.clean()
    else:
        windows.close()
    assert strangers == []
    assert [error for error in errors if not any(part in error for part in outages)] == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page on which nobody is signed in."""
    return context.pages[0] if context.pages else context.new_page()
