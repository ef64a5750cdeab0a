"""The tutorial's page, built step by step from the tutorial's code blocks, with a service that allows its origin."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import running_service
from tests.browser.service import ALICE, BOB, Service
from tests.browser.window import Watched
from tests.servers import free_port
from tests.waiting import wait_until

TUTORIAL = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
_FILE = re.compile(r"`my-wallet/([a-z.]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
_READY_SECONDS = 60

# The first test's time includes the start of the service.
pytestmark = pytest.mark.timeout(300)


def section(number: int) -> str:
    """Returns the text of the step with this number."""
    return re.split(r"^## ", TUTORIAL, flags=re.MULTILINE)[number]


@dataclass
class Tutorial:
    """The folder `my-wallet`, the URL of its web server, and the Paycore service that its page calls."""

    service: Service
    folder: Path
    url: str

    def follow(self, last: int) -> None:
        """Write the files as they are after step `last`."""
        for old in self.folder.iterdir():
            old.unlink()
        for number in range(1, last + 1):
            for name, block in _FILE.findall(section(number)):
                with (self.folder / name).open("a", encoding="utf-8") as file:
                    file.write(block.replace("http://127.0.0.1:8000", self.service.url))


@pytest.fixture(scope="module")
def tutorial(chromium: str, seeded_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutorial]:
    """Both servers, started with the tutorial's commands on free ports."""
    assert "PAYCORE_CORS_ORIGINS=http://127.0.0.1:5500 make run" in section(1)
    (arguments,) = re.findall(r"^python3 (.*)$", section(2), re.MULTILINE)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    directory, folder = tmp_path_factory.mktemp("tutorial"), tmp_path_factory.mktemp("my-wallet")
    with running_service(directory, seeded_home, PAYCORE_CORS_ORIGINS=url, PAYCORE_DASHBOARD="false") as service:
        server = subprocess.Popen(
            [sys.executable, *arguments.replace("5500", str(port)).split()], cwd=folder, stderr=subprocess.DEVNULL
        )
        try:
            assert wait_until(lambda: _answers(url), _READY_SECONDS)
            yield Tutorial(service, folder, url)
        finally:
            server.terminate()
            server.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


_WATCHED_SOCKETS = """
window.updates = 0;
window.offline = false;
window.WebSocket = class extends WebSocket {
  constructor(url, ...rest) {
    super(window.offline ? "ws://127.0.0.1:1/" : url, ...rest);
    this.addEventListener("message", ({ data }) => { window.updates += JSON.parse(data).type === "next"; });
  }
};
"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window with an empty cache.

    Its page counts the updates it receives in `window.updates`. If `window.offline` is true, it cannot reconnect.
    """
    context = browser.new_context()
    context.set_default_timeout(30_000)
    context.add_init_script(_WATCHED_SOCKETS)
    yield context.new_page()
    context.close()


def test_on_the_page_of_the_second_step_nobody_is_signed_in(tutorial: Tutorial, page: Page) -> None:
    tutorial.follow(2)
    page.goto(tutorial.url)
    expect(page.locator("#me")).to_have_text("nobody yet")


def test_the_page_of_the_third_step_signs_in_as_alice_and_its_links_switch_the_user(tutorial: Tutorial, page: Page) -> None:
    tutorial.follow(3)
    page.goto(tutorial.url)
    expect(page.locator("#me")).to_have_text(ALICE.display_name)
    page.get_by_role("link", name=BOB.display_name).click()
    expect(page.locator("#me")).to_have_text(BOB.display_name)


def test_the_page_of_the_fourth_step_shows_the_balance(tutorial: Tutorial, page: Page) -> None:
    tutorial.follow(4)
    page.goto(tutorial.url)
    expect(page.locator("#balance")).to_have_text(f"{tutorial.service.balance(ALICE.wallets[0].public_id)} USD")


def test_the_page_of_the_fifth_step_sends_money_once(tutorial: Tutorial, page: Page) -> None:
    tutorial.follow(5)
    wallet = ALICE.wallets[0].public_id
    before = tutorial.service.balance(wallet)
    page.goto(tutorial.url)
    # The balance is the last thing that the page loads before it handles the form.
    expect(page.locator("#balance")).to_contain_text("USD")
    page.get_by_label("To").select_option(label=BOB.display_name)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#outcome")).to_have_text("Sent.")
    assert tutorial.service.balance(wallet) == before - Decimal("4.50")


def test_the_page_of_the_fifth_step_shows_a_refusal(tutorial: Tutorial, page: Page) -> None:
    tutorial.follow(5)
    page.goto(tutorial.url)
    expect(page.locator("#balance")).to_contain_text("USD")
    page.get_by_label("Amount in USD").fill("1000000")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#outcome")).to_contain_text("Refused: ")


def test_the_page_of_the_fifth_step_sends_the_same_key_until_it_has_an_answer(tutorial: Tutorial, page: Page) -> None:
    tutorial.follow(5)
    keys: list[str] = []

    def lose_the_first_answer(route) -> None:
        keys.append(route.request.post_data_json["variables"]["input"]["idempotencyKey"])
        if len(keys) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    wallet = ALICE.wallets[0].public_id
    page.goto(tutorial.url)
    expect(page.locator("#balance")).to_contain_text("USD")
    before = tutorial.service.balance(wallet)
    page.route("**/graphql", lose_the_first_answer)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#outcome")).to_have_text("Sent.")
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert tutorial.service.balance(wallet) == before - Decimal("4.50")


def test_the_finished_page_shows_a_payment_as_soon_as_it_arrives(tutorial: Tutorial, page: Page) -> None:
    tutorial.follow(6)
    watched = Watched(page.context, tutorial.url)
    other = page.context.new_page()
    for window, subject in ((other, "bob"), (page, "alice")):
        window.goto(f"{tutorial.url}/?as={subject}")
        window.wait_for_function("window.updates > 0")
    page.get_by_label("To").select_option(label=BOB.display_name)
    page.get_by_label("Amount in USD").fill("1.23")
    page.get_by_role("button", name="Send").click()
    expect(other.locator("#entries li")).to_have_text([f"+1.23 from {ALICE.display_name}"])
    expect(page.locator("#entries li")).to_have_text([f"−1.23 to {BOB.display_name}"])
    expect(other.locator("#balance")).to_have_text(f"{tutorial.service.balance(BOB.wallets[0].public_id)} USD")
    assert watched.errors == []


def test_the_finished_page_shows_the_payments_made_while_it_was_offline_exactly_once(tutorial: Tutorial, page: Page) -> None:
    tutorial.follow(6)
    service = tutorial.service
    page.goto(f"{tutorial.url}/?as=bob")
    page.wait_for_function("window.updates > 0")
    service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, "0.31")
    expect(page.locator("#entries li")).to_have_count(1)
    page.evaluate("window.offline = true")
    alice = {"Authorization": f"Bearer {service.token('alice')}"}
    with page.expect_websocket(timeout=60_000):
        assert httpx.post(f"{service.url}/demo/break", json={"what": "api"}, headers=alice).status_code == 202
    assert wait_until(lambda: _answers(f"{service.url}/readyz"), _READY_SECONDS)
    for amount in ("0.32", "0.33"):
        service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, amount)
    page.evaluate("window.offline = false")
    expect(page.locator("#entries li")).to_have_text(
        [f"+{amount} from {ALICE.display_name}" for amount in ("0.33", "0.32", "0.31")], timeout=90_000
    )
