"""What administrators do with a wallet on its page: deposit, freeze and unfreeze."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import violations, violations_in_both_schemes
from tests.browser.service import Service, is_live, open_as, shown
from tests.browser.test_looks import open_page
from tests.browser.test_unknown_outcomes import LostAnswers
from tests.browser.window import Watched

_ENTRIES = "query($id: ID!) { wallet(id: $id) { entries { edges { node { amount { amount } } } } } }"


@pytest.fixture
def outages() -> list[str]:
    """The console logs an error for the request whose answer is lost."""
    return ["ERR_FAILED"]


def open_wallet(page: Page, wallet: str) -> None:
    open_as(page, "Paycore Support", f"/wallets/{wallet}")
    is_live(page)


def test_a_deposit_is_confirmed_first_and_made_once_although_its_answer_is_lost(page: Page, service: Service) -> None:
    wallet = service.open_wallet("carol", f"Box {uuid4().hex[:6]}")
    open_wallet(page, wallet)
    lost = LostAnswers(page)
    deposit = page.get_by_role("button", name="Deposit", exact=True)
    deposit.click()
    page.keyboard.press("Escape")
    expect(deposit).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    dialog, outcome = page.get_by_role("dialog"), page.get_by_role("region", name="Deposit")
    expect(dialog.get_by_label("Amount in USD")).to_be_focused()
    expect(dialog).to_contain_text("How much is it?")
    dialog.get_by_label("Amount in USD").fill("1,234.5")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("Deposit $1,234.50 into “Box")
    expect(dialog).to_contain_text("of Carol Castillo?")
    assert lost.keys == []
    dialog.get_by_role("button", name="Yes, deposit $1,234.50").click()
    expect(outcome).to_contain_text("It is not known yet whether $1,234.50 was deposited")
    expect(outcome).to_be_focused()
    expect(deposit).to_have_count(0)
    lost.end()
    page.reload()
    expect(outcome).to_contain_text("$1,234.50 deposited into “Box")
    expect(outcome).to_contain_text("nothing moved twice")
    assert violations_in_both_schemes(page) == []
    expect(page.get_by_label("Balance", exact=True)).to_contain_text(shown(Decimal("1234.50")))
    outcome.get_by_role("button", name="Done").click()
    expect(deposit).to_be_focused()
    assert len(set(lost.keys)) == 1
    entries = service.ask("admin", _ENTRIES, id=wallet)["wallet"]["entries"]["edges"]
    assert [edge["node"]["amount"]["amount"] for edge in entries] == ["1234.50"]


def test_a_wallet_is_frozen_and_unfrozen_with_a_reason_and_the_change_is_announced(page: Page, service: Service) -> None:
    wallet = service.open_wallet("carol", f"Box {uuid4().hex[:6]}")
    open_wallet(page, wallet)
    card = page.get_by_role("region", name="For the operator")
    for verb, state in (("Freeze", "frozen"), ("Unfreeze", "active")):
        card.get_by_role("button", name=verb, exact=True).click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("of Carol Castillo has $0.00")
        dialog.get_by_role("button", name=f"{verb} it").click()
        expect(dialog.get_by_role("alert")).to_have_text("Say why: the reason is kept.")
        dialog.get_by_label("Reason").fill("a browser test")
        page.keyboard.press("Enter")
        expect(card.get_by_role("status")).to_contain_text(f"is {state} now.")
        expect(page.get_by_label("Wallet", exact=True).get_by_text(state.capitalize(), exact=True)).to_be_visible()
        expect(card.get_by_role("button", name="Deposit")).to_have_count(1 if state == "active" else 0)
    expect(card.get_by_role("button", name="Freeze", exact=True)).to_be_focused()


def test_the_deposit_dialog_is_whole_at_320_pixels_in_arabic_digits_and_dark_colours(browser: Browser, service: Service) -> None:
    context = browser.new_context(
        base_url=service.url, bypass_csp=True, viewport={"width": 320, "height": 640}, locale="ar-EG", color_scheme="dark"
    )
    context.set_default_timeout(20_000)
    watched = Watched(context, service.url)
    page = context.new_page()
    open_page(page, service, "operator")
    page.get_by_role("button", name="Deposit").click()
    page.get_by_label("Amount in USD").fill("١٢٫٣٤")
    assert violations(page) == []
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Yes, deposit")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    context.close()
    assert (watched.errors, watched.strangers) == ([], [])
