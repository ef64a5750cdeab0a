"""Exchanges on the pages: converting, paying in another currency, prices that are over, what was moved, and the control room."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.axe import violations_in_both_schemes
from tests.browser.conftest import running_service
from tests.browser.service import ALICE, BOB, Service, become
from tests.browser.test_unknown_outcomes import NO_TOKEN

DOLLARS, EUROS, YEN = (wallet.public_id for wallet in ALICE.wallets)
BOBS_EUROS = BOB.wallets[1].public_id
SECONDS = 6
"""How long a price is valid here."""
SET_RATE = "mutation($input: SetFxRateInput!) { setFxRate(input: $input) { userErrors { code message } } }"


@pytest.fixture(scope="module")
def service(chromium: str, seeded_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose prices are short, whose position in yen has a limit, and whose rates only the tests set."""
    directory = tmp_path_factory.mktemp("exchange")
    limits = {"PAYCORE_FX_QUOTE_SECONDS": str(SECONDS), "PAYCORE_FX_EXPOSURE_LIMITS": "JPY=1000000"}
    # With a feed of its own the demo's rates do not walk. There is no such file.
    feed = {"PAYCORE_FX_FEED_URL": f"file://{directory}/no-rates.json", "PAYCORE_FX_FEED_SECONDS": "200"}
    with running_service(directory, seeded_home, **limits, **feed) as running:
        yield running


@pytest.fixture(autouse=True)
def rates(service: Service) -> None:
    """The rates at the begin of each test."""
    set_rate(service, "USD", "EUR", "0.92")
    set_rate(service, "USD", "JPY", "150.25")


@pytest.fixture
def outages() -> list[str]:
    """The console logs an error for the request whose answer is lost."""
    return ["ERR_FAILED"]


def set_rate(service: Service, base: str, quote: str, rate: str, spread: int = 50) -> None:
    given = {"base": base, "quote": quote, "rate": rate, "spreadBasisPoints": spread, "source": "Morning rates"}
    assert service.ask("admin", SET_RATE, input=given | {"reason": "a browser test"})["setFxRate"]["userErrors"] == []


def mutations(page: Page, name: str) -> list[dict[str, Any]]:
    """The inputs of this mutation that the page sends from now on."""
    sent: list[dict[str, Any]] = []

    def note(body: str | None) -> None:
        if f"mutation {name}(" in (body or ""):
            sent.append(json.loads(body or "{}")["variables"]["input"])

    page.on("request", lambda request: note(request.post_data))
    return sent


def handle(page: Page, name: str, with_it: Callable[[Route], None]) -> None:
    """Handle the requests of this mutation."""

    def route(found: Route) -> None:
        if f"mutation {name}(" in (found.request.post_data or ""):
            with_it(found)
        else:
            found.continue_()

    page.route("**/graphql", route)


def open_convert(page: Page, amount: str) -> Locator:
    """Fill in a conversion of Alice's dollars to euros, and return the panel of its price."""
    become(page, "alice")
    page.goto(f"/convert?from={DOLLARS}")
    expect(page.get_by_label("From")).to_have_value(DOLLARS)
    page.get_by_label("To", exact=True).select_option(EUROS)
    page.get_by_label("You pay").fill(amount)
    panel = page.locator(".price")
    expect(panel).to_contain_text("You pay")
    return panel


def test_a_conversion_moves_exactly_what_its_price_said(page: Page, service: Service) -> None:
    dollars, euros = service.balance(DOLLARS), service.balance(EUROS)
    panel = open_convert(page, "100")
    expect(panel).to_contain_text("You pay $100.00. $0.50 of it is the spread. You get €91.54 at 1 USD = 0.92 EUR.")
    expect(page.get_by_label("You get")).to_have_value("91.54")
    assert violations_in_both_schemes(page) == []
    page.get_by_role("button", name="Convert $100.00 to €91.54").click()
    outcome = page.get_by_role("group", name="Outcome")
    expect(outcome).to_contain_text("$100.00 converted to €91.54.")
    expect(outcome).to_be_focused()
    assert violations_in_both_schemes(page) == []
    assert (service.balance(DOLLARS), service.balance(EUROS)) == (dollars - 100, euros + Decimal("91.54"))
    outcome.get_by_role("link", name="See the transaction").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Conversion of $100.00 to €91.54")
    exchange = page.get_by_role("region", name="The exchange")
    expect(exchange).to_contain_text("1 USD = 0.92 EUR, from Morning rates")
    expect(exchange).to_contain_text("$0.50 of what was sold")
    expect(exchange).to_contain_text("nothing was left by rounding")
    ledger = page.get_by_role("region", name="In the ledger")
    expect(ledger.locator(".t-sum-good")).to_contain_text("$0.00, €0.00")
    expect(ledger.get_by_role("table", name="FX spread USD")).to_contain_text("$0.50")
    expect(page.get_by_role("button", name="Refund")).to_have_count(0)
    assert violations_in_both_schemes(page) == []
    for wallet, words in ((DOLLARS, "Converted to EUR"), (EUROS, "Converted from USD")):
        page.goto(f"/wallets/{wallet}")
        row = page.get_by_label("Transactions, newest first").get_by_role("listitem").first
        expect(row).to_contain_text(words)
        expect(row).to_contain_text("−$100.00" if wallet == DOLLARS else "+€91.54")


def test_a_fixed_target_says_what_it_costs_and_what_rounding_left(page: Page, service: Service) -> None:
    set_rate(service, "USD", "JPY", "150.25")
    yen = service.balance(YEN)
    open_convert(page, "1")
    page.get_by_label("To", exact=True).select_option(YEN)
    page.get_by_label("You get").fill("1000")
    expect(page.locator(".price")).to_contain_text("You get ¥1,000 at 1 USD = 150.25 JPY.")
    expect(page.get_by_label("You pay")).to_have_value("6.70")
    page.get_by_role("button", name="Convert $6.70 to ¥1,000").click()
    page.get_by_role("link", name="See the transaction").click()
    expect(page.get_by_role("region", name="The exchange")).to_contain_text("¥1,000 was bought")
    assert service.balance(YEN) == yen + 1000


def test_a_price_counts_down_and_is_refreshed_only_while_it_is_seen(page: Page, service: Service) -> None:
    asked = mutations(page, "CreateFxQuote")
    panel = open_convert(page, "10")
    left = panel.get_by_role("timer")
    before = left.inner_text()
    expect(left).not_to_have_text(before)
    page.wait_for_timeout(2 * SECONDS * 1_000)
    assert 3 <= len(asked) <= 5
    assert len({one["idempotencyKey"] for one in asked}) == len(asked)
    set_rate(service, "USD", "EUR", "0.90")
    expect(panel).to_contain_text("The price has changed.")
    expect(panel).to_contain_text("1 USD = 0.9 EUR")
    hide = "hidden => { Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });"
    page.evaluate(hide + " document.dispatchEvent(new Event('visibilitychange')); }", True)
    page.wait_for_timeout(1_000)
    count = len(asked)
    page.wait_for_timeout(2 * SECONDS * 1_000)
    assert len(asked) == count
    page.evaluate(hide + " document.dispatchEvent(new Event('visibilitychange')); }", False)
    expect(panel.get_by_role("timer")).to_be_visible()
    assert len(asked) == count + 1


def test_a_price_that_is_over_on_arrival_is_refused_and_the_new_one_is_confirmed(page: Page, service: Service) -> None:
    dollars, euros = service.balance(DOLLARS), service.balance(EUROS)
    sent = mutations(page, "Convert")
    open_convert(page, "100")
    late: list[bool] = []

    def wait(route: Route) -> None:
        if not late:
            late.append(True)
            set_rate(service, "USD", "EUR", "0.80")
            time.sleep(SECONDS + 0.5)
        route.continue_()

    handle(page, "Convert", wait)
    page.get_by_role("button", name=re.compile("^Convert \\$100.00 to €91.54")).click()
    outcome = page.get_by_role("group", name="Outcome")
    expect(outcome).to_contain_text("The time of this price was over, so nothing moved.")
    expect(outcome).to_contain_text("The new price is below.")
    expect(page.locator(".price")).to_contain_text("You get €79.60 at 1 USD = 0.8 EUR")
    assert violations_in_both_schemes(page) == []
    assert (service.balance(DOLLARS), service.balance(EUROS)) == (dollars, euros)
    page.get_by_role("button", name="Convert $100.00 to €79.60").click()
    expect(outcome).to_contain_text("$100.00 converted to €79.60.")
    assert (service.balance(DOLLARS), service.balance(EUROS)) == (dollars - 100, euros + Decimal("79.60"))
    assert len({one["idempotencyKey"] for one in sent}) == len({one["quoteId"] for one in sent}) == 2


def test_a_conversion_whose_answer_was_lost_is_made_once(page: Page, service: Service) -> None:
    dollars = service.balance(DOLLARS)
    sent = mutations(page, "Convert")
    open_convert(page, "20")

    def lose(route: Route) -> None:
        if len(sent) == 1:
            httpx.post(route.request.url, content=route.request.post_data, headers=route.request.headers).raise_for_status()
            route.abort()
        else:
            # After this answer the page does not try again by itself.
            route.fulfill(json=NO_TOKEN)

    handle(page, "Convert", lose)
    page.get_by_role("button", name=re.compile("^Convert \\$20.00")).click()
    outcome = page.get_by_role("group", name="Outcome")
    expect(outcome).to_contain_text("It is not known yet whether $20.00 was converted. A valid bearer token is needed.")
    assert violations_in_both_schemes(page) == []
    page.unroute("**/graphql")
    page.reload()
    expect(outcome).to_contain_text("This is the first answer again; nothing moved twice.")
    assert service.balance(DOLLARS) == dollars - 20
    assert len({one["idempotencyKey"] for one in sent}) == 1


def test_what_cannot_be_exchanged_is_said_in_words(page: Page, service: Service) -> None:
    panel = open_convert(page, "900000000")
    expect(page.locator("#convert-source-amount-hint")).to_contain_text("This is more than the wallet has.")
    page.get_by_label("You pay").fill("0.01")
    expect(panel).to_contain_text("This amount is too small: nothing would arrive.")
    page.get_by_label("To", exact=True).select_option(YEN)
    page.get_by_label("You get").fill("2000000")
    expect(panel).to_contain_text("So much cannot be exchanged between these currencies now.")
    assert violations_in_both_schemes(page) == []


def test_a_payment_in_another_currency_is_sent_by_its_price_and_shown_to_both(page: Page, service: Service) -> None:
    euros = service.balance(BOBS_EUROS)
    sent = mutations(page, "Transfer")
    become(page, "alice")
    page.goto(f"/send?from={DOLLARS}")
    page.get_by_role("radio", name="Another wallet").check()
    page.get_by_label("The wallet’s id").fill(BOBS_EUROS)
    expect(page.locator("#send-to-answer")).to_contain_text("so the payment is exchanged")
    page.get_by_role("button", name="Yes, send to Bob Baker").click()
    page.get_by_label("Amount", exact=True).fill("50")
    expect(page.locator(".price")).to_contain_text("Bob Baker gets €45.77 at 1 USD = 0.92 EUR.")
    page.get_by_role("radio", name="what Bob Baker gets, in EUR").check()
    expect(page.locator(".price")).to_contain_text("You pay $54.63.")
    expect(page.locator(".price")).to_contain_text("Bob Baker gets €50.00")
    assert violations_in_both_schemes(page) == []
    page.get_by_role("button", name="Send €50.00").click()
    outcome = page.get_by_label("This payment")
    expect(outcome).to_contain_text("$54.63 to Bob Baker, who gets €50.00")
    assert violations_in_both_schemes(page) == []
    assert sent[0]["amount"] == {"amount": "50.00", "currency": "EUR"}
    assert sent[0]["quoteId"].startswith("fxq_")
    assert service.balance(BOBS_EUROS) == euros + 50
    outcome.get_by_role("link", name="See the life of this transfer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment of $54.63 to €50.00")
    address = page.url
    become(page, "bob")
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment of €50.00")
    refund_half(page)
    expect(page.get_by_role("region", name="Given back")).to_contain_text("$27.00 of $54.63")
    assert violations_in_both_schemes(page) == []
    page.get_by_role("region", name="Given back").get_by_role("listitem").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Reversal of €24.72")
    page.goto(f"/wallets/{BOBS_EUROS}")
    rows = page.get_by_label("Transactions, newest first").get_by_role("listitem")
    expect(rows.nth(0)).to_contain_text("−€24.72")
    expect(rows.nth(1)).to_contain_text("+€50.00")
    assert service.balance(BOBS_EUROS) == euros + 50 - Decimal("24.72")


def refund_half(page: Page) -> None:
    page.get_by_role("button", name="Refund").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("€50.00 leaves the wallet that was paid, and $54.63 goes back")
    dialog.get_by_label("Amount in USD").fill("27")
    expect(dialog).to_contain_text("€24.72 leaves the wallet that was paid, and $27.00 goes back")
    assert violations_in_both_schemes(page) == []
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Given back")).to_contain_text("$27.00 went back.")


def test_a_payment_whose_price_was_over_is_confirmed_at_the_new_one(page: Page, service: Service) -> None:
    euros = service.balance(BOBS_EUROS)
    sent = mutations(page, "Transfer")
    become(page, "alice")
    page.goto(f"/send?from={DOLLARS}&to={BOBS_EUROS}")
    page.get_by_label("Amount", exact=True).fill("10")
    expect(page.locator(".price")).to_contain_text("Bob Baker gets €9.15")

    def wait(route: Route) -> None:
        if len(sent) == 1:
            set_rate(service, "USD", "EUR", "0.80")
            time.sleep(SECONDS + 0.5)
        route.continue_()

    handle(page, "Transfer", wait)
    page.get_by_role("button", name="Send $10.00").click()
    outcome = page.get_by_label("This payment")
    expect(outcome).to_contain_text("The time of this price was over, so nothing moved.")
    expect(outcome).to_contain_text("Bob Baker gets €7.96")
    assert violations_in_both_schemes(page) == []
    assert service.balance(BOBS_EUROS) == euros
    outcome.get_by_role("button", name="Send it at this price").click()
    expect(outcome).to_contain_text("who gets €7.96")
    assert service.balance(BOBS_EUROS) == euros + Decimal("7.96")


@pytest.mark.parametrize("width", [320, 1280])
def test_the_control_room_sets_a_rate_and_shows_what_exchanges_hold(page: Page, service: Service, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    become(page, "admin")
    page.goto("/control")
    card = page.get_by_role("region", name="Exchange", exact=True)
    expect(card.get_by_role("group", name="Rates")).to_contain_text("1 USD = 0.92 EUR0.5%Morning rates")
    positions = card.get_by_role("group", name="Positions")
    expect(positions.get_by_role("row").filter(has_text="JPY")).to_contain_text("¥1,000,000")
    expect(card).to_contain_text("at the present rates")
    card.get_by_role("button", name="Set a rate").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog.get_by_label("Rate", exact=True)).to_be_focused()
    dialog.get_by_label("Rate", exact=True).fill("0.95")
    dialog.get_by_label("Spread in percent").fill("0.25")
    dialog.get_by_label("Reason").fill("a browser test")
    assert violations_in_both_schemes(page) == []
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog).to_contain_text("1 USD = 0.95 EUR")
    expect(dialog).to_contain_text("Now1 USD = 0.92 EUR")
    assert violations_in_both_schemes(page) == []
    dialog.get_by_role("button", name="Set this rate").click()
    expect(dialog).to_have_count(0)
    expect(card.get_by_role("status")).to_contain_text("Set: 1 USD = 0.95 EUR.")
    expect(card.get_by_role("group", name="Rates")).to_contain_text("1 USD = 0.95 EUR0.25%Set by hand")
    assert violations_in_both_schemes(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
