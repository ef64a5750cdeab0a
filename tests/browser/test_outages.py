"""The pages during and after an outage. The test cuts the connection to the service, as a crash or a tunnel would."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.browser.axe import violations_in_both_schemes
from tests.browser.service import ALICE, BOB, Service, is_live, open_as, shown, sign_in
from tests.browser.test_graphiql_page import open_graphiql, run
from tests.browser.test_looks import PAGES, open_page
from tests.browser.window import Watched, pause_ambient_payments

WALLET = f"/wallets/{ALICE.wallets[0].public_id}"
REFUSED = "mutation($input: TransferInput!) { transfer(input: $input) { userErrors { code } } }"
SOON = re.compile("Next try in [12] s")
NETWORK_LINE = re.compile("net::ERR_|^WebSocket connection to")
"""The browser itself logs each request and each socket that fails. No page can prevent that."""


class Line:
    """A TCP proxy in front of the service. After `cut` it has closed all connections and refuses new ones."""

    def __init__(self, upstream: str) -> None:
        host, port = upstream.removeprefix("http://").split(":")
        self._upstream = (host, int(port))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = self._listen(0)
        self._port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    def cut(self) -> None:
        """Close all connections and the listener, as `kill -9` of the service would."""
        # Closing the socket does not wake a blocked accept; a shutdown does.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Accept connections at the same address again."""
        self._listener = self._listen(self._port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._upstream)
            with self._lock:
                self._open |= {near, far}
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                target.sendall(content)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
        source.close()


@pytest.fixture
def line(service: Service) -> Iterator[Line]:
    made = Line(service.url)
    yield made
    made.cut()


@pytest.fixture
def context(browser: Browser, line: Line) -> Iterator[BrowserContext]:
    """A browser window that reaches the service through `line`."""
    opened = browser.new_context(base_url=line.url, viewport={"width": 1280, "height": 800}, locale="en-US")
    opened.set_default_timeout(20_000)
    pause_ambient_payments(opened)
    yield opened
    opened.close()


def open_wallet(page: Page) -> None:
    open_as(page, "Alice Ahlgren", WALLET)
    is_live(page)


def test_a_page_whose_code_was_not_loaded_before_an_outage_opens_after_the_outage(page: Page, line: Line) -> None:
    # The pages load each other's code while the browser is idle. This test needs a page whose code is not loaded.
    page.add_init_script("window.requestIdleCallback = () => 0")
    open_wallet(page)
    line.cut()
    page.get_by_label("Pages").get_by_role("link", name="Break it").click()
    expect(page.get_by_label("Outage")).to_contain_text("Connection lost")
    expect(page.get_by_text("This page has failed")).to_have_count(0)
    line.mend()
    expect(page.get_by_role("heading", name="Cut the line")).to_be_visible(timeout=20_000)


def test_pages_open_during_an_outage_with_the_last_known_data(page: Page, line: Line, service: Service) -> None:
    page.goto("/")
    sign_in(page, "Alice Ahlgren")
    with page.expect_response(re.compile("/assets/ControlPage")):
        page.goto("/wallets")
    expect(page.get_by_role("heading", name="Alice Ahlgren’s wallets")).to_be_visible()
    is_live(page)
    page.wait_for_load_state("networkidle")
    line.cut()
    page.get_by_label("Pages").get_by_role("link", name="Send").click()
    expect(page.get_by_label("From")).to_be_visible()
    expect(page.get_by_label("Connection: Offline")).to_be_visible()
    expect(page.get_by_text("NETWORK")).to_have_count(0)
    page.get_by_label("Pages").get_by_role("link", name="Control").click()
    expect(page.get_by_role("heading", name="The control room is for administrators")).to_be_visible()
    page.get_by_label("Pages").get_by_role("link", name="Wallets").click()
    expect(page.locator(".wallet-card").first).to_contain_text(shown(service.balance(ALICE.wallets[0].public_id)))


def test_a_query_that_failed_during_an_outage_is_sent_again_after_it(page: Page, line: Line) -> None:
    # On a busy machine the network can be idle before the browser is, and only then it loads the other pages' code.
    with page.expect_response(re.compile("/assets/TransactionPage")):
        open_wallet(page)
    page.wait_for_load_state("networkidle")
    line.cut()
    expect(page.get_by_label("Connection: Offline")).to_be_visible()
    page.get_by_label("Transactions, newest first").get_by_role("link").first.click()
    page.get_by_role("dialog").get_by_role("link", name="Full transaction").click()
    expect(page.get_by_text("The service does not answer.").first).to_be_visible()
    assert violations_in_both_schemes(page) == []
    line.mend()
    expect(page.get_by_role("heading", name=re.compile("Transfer of|Deposit of"))).to_be_visible()


def test_the_control_rooms_figures_are_grey_and_say_their_age_in_an_outage_and_are_live_after_it(page: Page, line: Line) -> None:
    open_as(page, "Paycore Support", "/control")
    is_live(page)
    figure = page.get_by_role("region", name="Settled per second").locator(".figure-value")
    expect(
        page.get_by_role("img", name=re.compile("Settled per second: .* now, at most .* in the last two minutes"))
    ).to_be_visible()
    colour = figure.evaluate("figure => getComputedStyle(figure).color")
    line.cut()
    expect(page.get_by_text(re.compile(r"As of \d.*, \d+ s ago"))).to_be_visible()
    expect(page.get_by_label("Age of the figures")).to_have_text(re.compile(r"The figures are as of \d"))
    expect(figure).not_to_have_css("color", colour)
    line.mend()
    expect(figure).to_have_css("color", colour)
    expect(page.get_by_text(re.compile("As of"))).to_have_count(0)


def test_the_outage_banner_shows_its_start_the_age_of_the_balances_and_the_next_try(page: Page, line: Line) -> None:
    open_wallet(page)
    line.cut()
    banner = page.get_by_label("Outage")
    expect(banner).to_contain_text(re.compile(r"Connection lost \d+ s ago\. Balances as of \d+:\d\d:\d\d [AP]M\."))
    expect(banner).to_contain_text(re.compile(r"Next try in \d+ s"))
    expect(page.get_by_role("status", name="Connection lost")).to_contain_text("Balances as of")
    assert violations_in_both_schemes(page) == []
    expect(banner.get_by_role("button", name="Try to connect now")).to_be_enabled()
    line.mend()
    # By script: the page may connect by itself before Playwright has found where to click.
    page.evaluate("document.querySelector('[aria-label=\"Try to connect now\"]')?.click()")
    expect(banner).to_have_count(0)
    is_live(page)


def test_all_parts_of_a_page_are_live_again_at_the_same_time_soon_after_an_outage(
    page: Page, line: Line, service: Service
) -> None:
    page.goto("/")
    sign_in(page, "Carol Castillo")
    badges = page.locator(".connection")
    expect(badges).to_have_count(3)
    expect(page.locator(".connection-live")).to_have_count(3)
    watch_badges(page)
    line.cut()
    expect(page.locator(".connection-offline")).to_have_count(3)
    page.wait_for_timeout(500)
    service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, "1.00")
    # What the page plans, not how long it takes: that depends on the machine.
    expect(page.get_by_label("Outage")).to_contain_text(SOON)
    line.mend()
    expect(page.locator(".connection-live")).to_have_count(3)
    expect(page.get_by_label("Bob Baker's balance")).to_have_text(shown(service.balance(BOB.wallets[0].public_id)))
    assert page.evaluate("window.disagreements") == []


def test_every_page_is_quiet_in_an_outage_and_live_again_soon_after_it(
    context: BrowserContext, line: Line, service: Service
) -> None:
    watched = Watched(context, line.url)
    pages = {name: context.new_page() for name in PAGES if name != "sign-in"}
    for name, page in pages.items():
        open_page(page, service, name)
        watch_badges(page)
    line.cut()
    for page in pages.values():
        expect(page.get_by_label("Outage")).to_contain_text(SOON)
        expect(page.locator(".connection:not(.connection-offline)")).to_have_count(0)
        expect(page.get_by_role("heading").first).to_be_visible()
    line.mend()
    for page in pages.values():
        # All of them connect at once. On a busy machine that takes longer than one try may.
        expect(page.locator(".connection:not(.connection-live)")).to_have_count(0, timeout=60_000)
    for page in pages.values():
        expect(page.get_by_label("Outage")).to_have_count(0)
        expect(page.get_by_text(re.compile("does not answer|did not answer|has failed"))).to_have_count(0)
    assert {name: page.evaluate("window.disagreements") for name, page in pages.items()} == {name: [] for name in pages}
    assert [error for error in watched.errors if not NETWORK_LINE.search(error)] == []


def test_graphiqls_watch_continues_after_an_outage_and_misses_no_event(page: Page, line: Line, service: Service) -> None:
    open_graphiql(page)
    run(page, "Watch")
    events = page.get_by_role("region", name="Events")
    expect(events.get_by_role("listitem")).to_have_count(1)
    line.cut()
    expect(events.get_by_role("status")).to_contain_text("Watch lost its connection. It connects again by itself.")
    service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, "0.83")
    line.mend()
    expect(events.get_by_role("status")).to_contain_text("Watch is running.")
    expect(events.get_by_role("listitem").filter(has_text='"amount": "0.83"')).to_have_count(1)
    line.cut()
    expect(events.get_by_role("status")).to_contain_text("lost its connection")
    events.get_by_role("button", name="Stop").click()
    line.mend()
    expect(events.get_by_role("status")).to_contain_text("Watch has ended.")


def test_a_page_reconnects_at_once_when_it_is_online_or_visible_again(page: Page, line: Line) -> None:
    # The clock is paused, so no retry timer fires: only the event can cause the next try.
    page.clock.install()
    tries: list[Request] = []
    page.on("request", lambda request: tries.append(request) if request.url.endswith("/readyz") else None)
    page.on("requestfailed", lambda request: tries.remove(request) if request in tries else None)
    page.on("requestfinished", lambda request: tries.remove(request) if request in tries else None)
    open_wallet(page)
    for event in ("window.dispatchEvent(new Event('online'))", "document.dispatchEvent(new Event('visibilitychange'))"):
        line.cut()
        expect(page.get_by_label("Connection: Offline")).to_be_visible()
        page.clock.pause_at(datetime.fromtimestamp(page.evaluate("Date.now()") / 1_000 + 1, UTC))
        # The last try before the pause may still be under way, and the page makes one at a time.
        for _ in range(100):
            page.wait_for_timeout(100)
            if not tries:
                break
        line.mend()
        with page.expect_response("**/readyz"):
            page.evaluate(event)
        page.clock.resume()
        is_live(page)


def test_a_refused_payment_appears_in_the_wallets_activity_at_once(page: Page, service: Service) -> None:
    open_wallet(page)
    activity = page.get_by_label("Transactions, newest first")
    expect(activity.get_by_role("listitem").first).to_be_visible()
    page.get_by_label("Pages").get_by_role("link", name="Wallets").click()
    # Sent through the API: the Send page does not send a payment that the wallet cannot make.
    payment = {
        "idempotencyKey": str(uuid4()),
        "senderWalletId": ALICE.wallets[0].public_id,
        "receiverWalletId": BOB.wallets[0].public_id,
        "amount": {"amount": "70000000.00", "currency": "USD"},
    }
    refused = service.ask("alice", REFUSED, input=payment)["transfer"]
    assert [error["code"] for error in refused["userErrors"]] == ["INSUFFICIENT_FUNDS"]
    page.locator(f"a[href='{WALLET}']").first.click()
    expect(activity.get_by_role("listitem").first).to_contain_text("$70,000,000.00")


def watch_badges(page: Page) -> None:
    """Record each painted frame in which the connection badges differ, in `window.disagreements`."""
    page.evaluate("""() => {
      window.disagreements = [];
      const compare = () => {
        const texts = new Set([...document.querySelectorAll('.connection')].map((badge) => badge.textContent));
        if (texts.size > 1) window.disagreements.push([...texts].join(' / '));
        requestAnimationFrame(compare);
      };
      requestAnimationFrame(compare);
    }""")
