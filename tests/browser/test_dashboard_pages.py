"""The main things that a visitor does on the dashboard, in Chromium against the running service."""

from __future__ import annotations

import re
from decimal import Decimal
from time import monotonic

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import KILLED
from tests.browser.service import ALICE, BOB, CAROL, MERCHANT, Service, is_live, open_as, shown, sign_in

CENT = Decimal("0.01")


def test_both_phones_connect_and_show_a_payment_that_arrives(page: Page, service: Service) -> None:
    page.goto("/")
    alice, bob = page.get_by_label("Alice Ahlgren's phone"), page.get_by_label("Bob Baker's phone")
    for phone in (alice, bob):
        is_live(phone)
    before = service.balance(BOB.wallets[0].public_id)
    alice.get_by_role("button", name="$1.00", exact=True).click()
    alice.get_by_role("button", name="Send $1.00 to Bob").click()
    expect(page.get_by_label("Bob Baker's balance")).to_have_text(shown(before + 1))
    newest = bob.get_by_label("Bob Baker's latest entries").get_by_role("listitem").first
    expect(newest).to_contain_text(re.compile(r"\+\$1\.00.*\d+ ms", re.DOTALL))


def test_sender_and_recipient_see_a_payment_in_two_windows_without_a_reload(
    page: Page, context: BrowserContext, service: Service
) -> None:
    alices, bobs = ALICE.wallets[0].public_id, BOB.wallets[0].public_id
    page.goto("/wallets")
    page.get_by_role("button", name="Alice Ahlgren").click()
    expect(page.get_by_role("heading", name="Alice Ahlgren’s wallets")).to_be_visible()
    page.get_by_label("Pages").get_by_role("link", name="Send").click()
    other = context.new_page()
    other.goto("/")
    sign_in(other, "Bob Baker")
    other.goto(f"/wallets/{bobs}")
    is_live(other)
    before_alice, before_bob = service.balance(alices), service.balance(bobs)
    page.get_by_label("From").select_option(value=alices)
    page.get_by_role("radio", name="Another wallet").check()
    page.get_by_label("The wallet’s id").fill(bobs)
    page.get_by_role("button", name="Yes, send to Bob Baker").click()
    page.get_by_label("Amount").fill("3.21")
    page.get_by_role("button", name="Send $3.21").click()
    outcome = page.get_by_label("This payment")
    expect(outcome).to_contain_text(shown(before_alice - Decimal("3.21")))
    expect(other.get_by_label("Balance", exact=True)).to_have_text(shown(before_bob + Decimal("3.21")))
    # The same key again returns the first outcome and moves no money.
    outcome.get_by_text("Developer").click()
    outcome.get_by_role("button", name="Send the same request again").click()
    expect(outcome).to_contain_text(re.compile("replay|first", re.IGNORECASE))
    assert service.balance(alices) == before_alice - Decimal("3.21")


def test_a_refusal_shows_its_reason_and_the_next_try_uses_a_new_key(page: Page, service: Service) -> None:
    open_as(page, "Carol Castillo", f"/send?from={CAROL.wallets[0].public_id}")
    page.get_by_role("radio", name="Another wallet").check()
    page.get_by_label("The wallet’s id").fill(BOB.wallets[0].public_id)
    page.get_by_role("button", name="Yes, send to Bob Baker").click()
    page.get_by_label("Amount").fill("1.234")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#send-amount-hint")).to_contain_text("Too many decimals")
    before = service.balance(CAROL.wallets[0].public_id)
    keys = []
    page.on("request", lambda request: keys.extend(re.findall(r'"Transfer".*"idempotencyKey":"(\w+)"', request.post_data or "")))
    # The page cannot know that the recipient's wallet is frozen.
    with service.frozen(BOB.wallets[0].public_id):
        for amount in ("1.00", "2.00"):
            page.get_by_label("Amount").fill(amount)
            page.get_by_role("button", name=re.compile(r"^Send \$")).click()
            outcome = page.get_by_label("This payment")
            expect(outcome).to_contain_text("The recipient’s wallet is frozen")
            outcome.get_by_role("button", name="Change it and try again").click()
    assert len(set(keys)) == 2
    assert service.balance(CAROL.wallets[0].public_id) == before


def scroll_until(page: Page, rows: Locator, count: int, *, seconds: float) -> None:
    """Turn the mouse wheel until there are so many rows, or for so long."""
    deadline = monotonic() + seconds
    while rows.count() < count and monotonic() < deadline:
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(60)


def test_scrolling_through_three_hundred_transactions_skips_and_repeats_nothing(page: Page, service: Service) -> None:
    sender, receiver = MERCHANT.wallets[0].public_id, CAROL.wallets[0].public_id
    service.pay_often("merchant", sender, receiver, 300)
    open_as(page, "Carol Castillo", f"/wallets/{receiver}")
    rows = page.get_by_label("Transactions, newest first").get_by_role("listitem")
    expect(rows.first).to_be_visible()
    scroll_until(page, rows, 310, seconds=60)
    links = rows.get_by_role("link").evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    assert len(links) >= 310
    assert len(set(links)) == len(links)
    # The pages also work after a reload and after the browser's back button.
    rows.first.get_by_role("link").click()
    page.get_by_role("dialog").get_by_role("link", name="Full transaction").click()
    expect(page).to_have_url(re.compile("/transactions/txn_"))
    page.reload()
    expect(page.get_by_role("heading").first).to_be_visible()
    page.go_back()
    expect(page).to_have_url(re.compile(f"/wallets/{receiver}$"))


_REPORTS_LATE = """
const Observer = window.IntersectionObserver;
window.IntersectionObserver = class extends Observer {
  constructor(callback, options) {
    let seen = [];
    let timer;
    super((entries, observer) => {
      seen.push(...entries);
      timer ??= setTimeout(() => {
        const all = seen;
        [seen, timer] = [[], undefined];
        callback(all, observer);
      }, 300);
    }, options);
  }
};
"""
"""As if the browser drew several frames before it ran the page's script: one report of several changes."""
_ANSWERS_BEFORE_RENDERING = """
const ask = window.fetch;
window.fetch = (input, init) => {
  if (!String(init?.body).includes('query Activity')) return ask(input, init);
  const request = new XMLHttpRequest();
  request.open(init.method, input, false);
  new Headers(init.headers).forEach((value, name) => request.setRequestHeader(name, value));
  request.send(init.body);
  const headers = new Headers({'Content-Type': request.getResponseHeader('Content-Type')});
  return Promise.resolve({status: request.status, headers, text: () => Promise.resolve(request.responseText)});
};
"""
"""As if the browser were so busy that the answer is there before the page has drawn that it is loading."""


@pytest.mark.usefixtures("own_window")
# Four pages fit in a window of 9000 pixels.
@pytest.mark.parametrize(("script", "height"), [(_REPORTS_LATE, 800), (_ANSWERS_BEFORE_RENDERING, 9000)], ids=["late", "early"])
def test_a_busy_browser_loads_the_next_page_too(page: Page, service: Service, script: str, height: int) -> None:
    sender, receiver = MERCHANT.wallets[0].public_id, CAROL.wallets[0].public_id
    service.pay_often("merchant", sender, receiver, 80)
    page.add_init_script(script)
    page.set_viewport_size({"width": 1280, "height": height})
    open_as(page, "Carol Castillo", f"/wallets/{receiver}")
    rows = page.get_by_label("Transactions, newest first").get_by_role("listitem")
    expect(rows.first).to_be_visible()
    scroll_until(page, rows, 100, seconds=20)
    assert rows.count() >= 100


def test_a_transaction_page_shows_the_steps_of_the_transfer_and_its_amount(page: Page, service: Service) -> None:
    page.goto("/")
    sign_in(page, "Alice Ahlgren")
    transaction = service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, "2.00")
    page.goto(f"/transactions/{transaction}")
    for step in ("Accepted", "Batch of", "Committed", "Published"):
        expect(page.get_by_text(step).first).to_be_visible()
    expect(page.get_by_text("$2.00").first).to_be_visible()


@pytest.mark.slow
def test_a_subscription_misses_no_entry_while_the_api_redis_and_the_relay_are_killed(
    page: Page, service: Service, outages: list[str]
) -> None:
    outages += [*KILLED, "Failed to fetch"]
    page.goto("/break")
    cut = page.get_by_role("region", name="Cut the line")
    cut.get_by_role("button", name="Start the payments").click()
    cells = cut.get_by_label("Sequence numbers, in the order they arrived").get_by_role("listitem")
    expect(cells.first).to_be_visible()
    for strike in ("Drop my socket", "Restart Redis", "Kill the relay", "Kill the API"):
        cut.get_by_role("button", name=strike).click()
        page.wait_for_timeout(2_500)
        expect(cut.get_by_label("Connection: Live")).to_be_visible(timeout=60_000)
    page.wait_for_timeout(1_500)
    # By script, and only if it is there: on a slow machine the payments may have ended by themselves.
    cut.evaluate("cut => [...cut.querySelectorAll('button')].find((one) => one.textContent === 'Stop the payments')?.click()")
    expect(cut.get_by_role("button", name="Start the payments")).to_be_visible()
    verdict = cut.get_by_role("status").filter(has_text="entries arrived")
    expect(verdict).to_contain_text("0 missing in between, 0 repeated")
    expect(cut.locator(".verdict-good")).to_be_visible(timeout=30_000)
    expect(cut.get_by_label("Not here yet")).to_have_count(0, timeout=30_000)
    shown_numbers = [int(text) for text in cells.all_inner_texts() if text.strip()]
    assert shown_numbers == list(range(shown_numbers[0], shown_numbers[0] + len(shown_numbers)))


@pytest.mark.slow
def test_fifty_sends_with_one_key_pay_once_and_a_run_on_a_wallet_pays_only_its_balance(page: Page) -> None:
    page.goto("/break")
    one_key = page.get_by_role("region", name="One key, fifty sends")
    one_key.get_by_role("button", name="Send it 50 times").click()
    expect(one_key.locator(".verdict-good")).to_contain_text("50 answers, 49 of them replays, 1 transaction.", timeout=30_000)
    run = page.locator("section[aria-labelledby='run-on-wallet']")
    run.get_by_role("button").first.click()
    expect(run.locator(".verdict-good")).to_contain_text("70", timeout=60_000)


def test_the_owner_sees_at_once_that_an_administrator_froze_or_unfroze_the_wallet(
    page: Page, context: BrowserContext, service: Service
) -> None:
    wallet = MERCHANT.wallets[1].public_id
    owners = context.new_page()
    owners.goto("/")
    sign_in(owners, "Blue Door Books")
    owners.goto(f"/wallets/{wallet}")
    is_live(owners)
    open_as(page, "Paycore Support", "/control")
    expect(page.get_by_text("USD").first).to_be_visible()
    for verb, status in (("Freeze", "Frozen"), ("Unfreeze", "Active")):
        page.get_by_label("Another wallet").fill(wallet)
        page.get_by_role("button", name="Find it").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Reason").fill("a browser test")
        dialog.get_by_role("button", name=f"{verb} it").click()
        expect(owners.get_by_label("Wallet", exact=True).get_by_text(status, exact=True)).to_be_visible()
