"""The command palette: by keyboard and by touch, for each kind of user, also in an outage."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.axe import AXE
from tests.browser.service import ALICE, BOB, MERCHANT, Service, open_as, sign_in
from tests.browser.test_outages import Line, line

__all__ = ["line"]
WALLET = ALICE.wallets[0].public_id
PAY = "mutation($input: TransferInput!) { transfer(input: $input) { transaction { id } userErrors { code } } }"


def open_palette(page: Page) -> Locator:
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Command palette")
    expect(palette.get_by_role("combobox")).to_be_focused()
    return palette


def signed_in(page: Page, name: str = "Alice Ahlgren", path: str = "/wallets") -> Page:
    open_as(page, name, path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


def choose(page: Page, text: str) -> None:
    """Type it, and press Enter once a command is marked."""
    palette = open_palette(page)
    page.keyboard.type(text)
    expect(palette.get_by_role("option", selected=True)).to_have_count(1)
    page.keyboard.press("Enter")


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("live", "/"),
        ("wallets", "/wallets"),
        ("send", "/send"),
        ("check", "/checkout"),
        ("break", "/break"),
        ("control", "/control"),
    ],
)
def test_the_palette_opens_each_page_by_keyboard_alone(page: Page, typed: str, path: str) -> None:
    signed_in(page, path="/wallets" if path != "/wallets" else "/send")
    choose(page, typed)
    expect(page).to_have_url(re.compile(f"{path}$"))
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#main")).to_be_focused()


def test_the_palette_opens_graphiql(page: Page) -> None:
    signed_in(page)
    choose(page, "graphiql")
    expect(page).to_have_url(re.compile("/graphiql"))


def test_escape_closes_the_palette_and_the_focus_returns(page: Page) -> None:
    signed_in(page, path="/send")
    amount = page.get_by_label("Amount")
    amount.focus()
    open_palette(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(amount).to_be_focused()
    opener = page.get_by_role("button", name="Open the command palette")
    opener.click()
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()


def test_the_shortcut_closes_the_palette_too(page: Page) -> None:
    signed_in(page)
    open_palette(page)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_focus_stays_in_the_palette(page: Page) -> None:
    signed_in(page)
    open_palette(page)
    for _ in range(6):
        page.keyboard.press("Tab")
        # The browser's own controls have the focus as the body.
        assert page.evaluate("document.activeElement === document.body || document.activeElement.closest('dialog') !== null")


def test_the_palette_switches_the_user_and_the_colours(page: Page) -> None:
    signed_in(page)
    choose(page, "sign in as bob")
    expect(page.get_by_role("heading", name="Bob Baker’s wallets")).to_be_visible()
    choose(page, "dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    choose(page, "light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_the_palette_opens_wallets_transactions_and_entries_by_id(page: Page, service: Service) -> None:
    transaction = service.pay("alice", WALLET, BOB.wallets[0].public_id, "1.00")
    query = "query($id: ID!) { transaction(id: $id) { entries { id } } }"
    [entry] = service.ask("alice", query, id=transaction)["transaction"]["entries"]
    signed_in(page)
    for text, path in (
        (WALLET, f"/wallets/{WALLET}"),
        (transaction, f"/transactions/{transaction}"),
        (f"https://elsewhere.example/wallets/{WALLET}", f"/wallets/{WALLET}"),
        (entry["id"], f"/transactions/{transaction}"),
    ):
        choose(page, text)
        expect(page).to_have_url(re.compile(f"{path}$"))


def test_the_palette_opens_ones_own_payment_by_its_idempotency_key(page: Page, service: Service) -> None:
    key = f"order-{uuid4()}"
    amount = {"amount": "1.00", "currency": "USD"}
    wallets = {"senderWalletId": WALLET, "receiverWalletId": BOB.wallets[0].public_id}
    done = service.ask("alice", PAY, input={"idempotencyKey": key, "amount": amount, **wallets})
    signed_in(page)
    choose(page, key)
    expect(page).to_have_url(re.compile(f"/transactions/{done['transfer']['transaction']['id']}$"))
    # The receiver did not make it.
    signed_in(page, "Bob Baker")
    choose(page, key)
    expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("Bob Baker has made no payment with this key.")


def test_what_the_viewer_may_not_see_is_not_found(page: Page) -> None:
    signed_in(page)
    absent = WALLET[:-6] + "zzzzzz"
    for wallet in (BOB.wallets[0].public_id, absent):
        choose(page, wallet)
        message = page.get_by_role("dialog").get_by_role("status")
        expect(message).to_have_text("There is nothing with this id that Alice Ahlgren may see.")
        page.get_by_role("dialog").get_by_role("combobox").press("Backspace")
        expect(message).to_have_text("")
        page.keyboard.press("Escape")
    signed_in(page, "Paycore Support")
    choose(page, BOB.wallets[0].public_id)
    expect(page.get_by_role("heading", level=1, name=BOB.wallets[0].name)).to_be_visible()


def test_the_palette_offers_what_was_opened_lately_and_ones_wallets(page: Page, service: Service) -> None:
    transaction = service.pay("alice", WALLET, BOB.wallets[0].public_id, "7.77")
    signed_in(page, path=f"/transactions/{transaction}")
    page.goto("/wallets")
    # Before the page is drawn, nothing listens to its keys.
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    palette = open_palette(page)
    lately = palette.get_by_role("group", name="Opened lately")
    expect(lately.get_by_role("option").first).to_contain_text("$7.77")
    expect(palette.get_by_role("group", name="Wallets").get_by_role("option")).to_have_count(len(ALICE.wallets))
    page.keyboard.type("tokyo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Tokyo trip")).to_be_visible()


def test_the_palette_pays_somebody_again(page: Page, service: Service) -> None:
    service.pay("alice", WALLET, MERCHANT.wallets[0].public_id, "1.00")
    signed_in(page)
    palette = open_palette(page)
    page.keyboard.type("pay blue door usd")
    expect(palette.get_by_role("option", selected=True)).to_have_text(re.compile("Pay Blue Door Books"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("radio", name="Blue Door Books")).to_be_checked()
    expect(page.get_by_label("From")).to_have_value(WALLET)
    # From the page itself, to somebody else.
    service.pay("alice", WALLET, BOB.wallets[0].public_id, "1.00")
    palette = open_palette(page)
    page.keyboard.type("pay bob usd")
    expect(palette.get_by_role("option", selected=True)).to_have_text(re.compile("Pay Bob Baker"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("radio", name="Bob Baker")).to_be_checked()


def test_the_palette_works_on_a_phone_and_before_anybody_signs_in(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto("/")
    page.get_by_role("button", name="Open the command palette").click()
    palette = page.get_by_role("dialog", name="Command palette")
    expect(palette.get_by_role("option").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    box = palette.bounding_box()
    assert box is not None
    assert (box["x"] >= 0, box["x"] + box["width"] <= 320) == (True, True)
    palette.get_by_role("option", name="Sign in as Bob Baker").click()
    expect(page.get_by_label("Signed in as")).to_have_value("bob")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_palette(browser: Browser, service: Service, scheme: str) -> None:
    # The page's CSP would block the axe script that this test adds.
    context = browser.new_context(
        base_url=service.url, bypass_csp=True, color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    page = signed_in(context.new_page(), path=f"/wallets/{WALLET}")
    page.add_script_tag(path=AXE)
    palette = open_palette(page)
    found = []
    for text in ("", "no such thing", WALLET, "unused-key"):
        palette.get_by_role("combobox").fill(text)
        if text == "unused-key":
            page.keyboard.press("Enter")
            expect(palette.get_by_role("status")).to_contain_text("no payment")
        results = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        found += [(text, one["id"], one["nodes"][0]["html"][:200]) for one in results["violations"]]
    context.close()
    assert found == []


def test_the_palette_opens_in_an_outage_and_says_that_nothing_answers(browser: Browser, line: Line) -> None:
    context = browser.new_context(base_url=line.url, locale="en-US")
    page = context.new_page()
    page.goto("/")
    sign_in(page, "Alice Ahlgren")
    with page.expect_response(re.compile("/assets/Palette")):
        page.goto("/wallets")
    expect(page.get_by_role("heading", name="Alice Ahlgren’s wallets")).to_be_visible()
    # The palette's code is in several files. The answer that was awaited may be the first of them.
    page.wait_for_load_state("networkidle")
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    line.cut()
    expect(page.get_by_label("Outage")).to_be_visible()
    choose(page, WALLET)
    expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("The service did not answer.")
    page.keyboard.press("Escape")
    choose(page, "break")
    expect(page.get_by_role("heading", name="Cut the line")).to_be_visible()
    context.close()
    assert failures == []
