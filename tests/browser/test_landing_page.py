"""The landing page moves money by itself: within bounds, visibly, and through a kill of the API."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize, expect

from app.demo.ambient import PAUSE_SECONDS
from tests.browser.axe import AXE
from tests.browser.conftest import KILLED
from tests.browser.service import ALICE, BOB, Service, is_live, shown

PHONE: ViewportSize = {"width": 390, "height": 844}
SMALL_PHONE: ViewportSize = {"width": 320, "height": 568}
TOTALS = "{ ledgerStatus { totals { currency difference { amount } } } }"
SETTLED = "[data-settled]"
WATCH_MOTION = """() => {
  window.moved = [];
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach((node) => {
    if (node instanceof Element && node.matches(".flight, .reels")) window.moved.push(node.className);
  }))).observe(document.body, { childList: true, subtree: true });
}"""
"""Counts the amounts that fly and the digits that roll, in `window.moved`."""
HIDE = """(isHidden) => {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def ambient() -> bool:
    """These tests are about the payments that the page makes."""
    return True


@pytest.fixture
def still_context(browser: Browser, service: Service, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A window with reduced motion, in the colours of the test's parameter, in which scripts of the test may run."""
    dark = getattr(request, "param", "light") == "dark"
    opened = browser.new_context(
        base_url=service.url, bypass_csp=True, reduced_motion="reduce", color_scheme="dark" if dark else "light", viewport=PHONE
    )
    opened.set_default_timeout(20_000)
    yield opened
    opened.close()


def settled(page: Page) -> int:
    """The number of payments that the page shows as settled."""
    return int(page.locator(SETTLED).get_attribute("data-settled") or "0")


def wait_for_settled(page: Page, count: int) -> None:
    """Wait until the page shows at least so many payments."""
    page.wait_for_function(
        "([selector, count]) => Number(document.querySelector(selector)?.dataset.settled) >= count",
        arg=[SETTLED, count],
        timeout=60_000,
    )


def pause(page: Page, service: Service) -> None:
    """Pause the payments, and wait until both phones show the ledger's balances."""
    page.get_by_role("button", name="Pause payments").click()
    expect(page.get_by_label("The demo’s payments")).to_contain_text("Payments are paused")
    for user in (ALICE, BOB):
        deadline = time.monotonic() + 20
        balance = page.get_by_label(f"{user.display_name}'s balance")
        while balance.text_content() != shown(service.balance(user.wallets[0].public_id)):
            assert time.monotonic() < deadline, user
            page.wait_for_timeout(200)


def is_balanced(service: Service) -> bool:
    """Whether the balances of every currency sum to zero."""
    totals = service.ask("admin", TOTALS)["ledgerStatus"]["totals"]
    return {float(total["difference"]["amount"]) for total in totals} == {0.0}


def test_money_moves_by_itself_soon_after_the_page_opens_and_the_sum_stays_zero(page: Page, service: Service) -> None:
    page.goto("/")
    wait_for_settled(page, 1)
    proof = page.get_by_label("Proof")
    expect(proof).to_contain_text(re.compile(r"median\s*\d+ ms"))
    expect(proof.locator(".total-good")).to_have_text(re.compile(r"\$0\.00"))
    wait_for_settled(page, 3)
    expect(page.get_by_label("latest entries").locator(".latency").first).to_have_text(re.compile(r"\d+ ms"))
    pause(page, service)
    assert is_balanced(service)


def test_an_amount_flies_between_the_phones_and_the_digits_of_a_balance_roll(page: Page) -> None:
    page.goto("/")
    page.wait_for_function("() => document.querySelector('.flight') !== null", timeout=60_000)
    text = page.wait_for_function(
        "() => document.querySelector('.phone-balance .reels')?.closest('.phone-balance').textContent", timeout=60_000
    )
    # While the digits roll, the text is the plain amount, and nothing else.
    assert re.fullmatch(r"\$[\d,]+\.\d\d", text.json_value())
    expect(page.locator(".flight")).to_have_count(0, timeout=60_000)


def test_with_reduced_motion_money_moves_and_nothing_is_animated(still_context: BrowserContext) -> None:
    page = still_context.new_page()
    page.goto("/")
    page.evaluate(WATCH_MOTION)
    before = settled(page)
    wait_for_settled(page, before + 4)
    assert page.evaluate("window.moved") == []
    assert page.evaluate("document.getAnimations().length") == 0


def test_a_hidden_page_makes_no_payments_and_goes_on_when_it_is_shown(page: Page) -> None:
    page.goto("/")
    wait_for_settled(page, 1)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/demo/ambient") else None)
    page.evaluate(HIDE, arg=True)
    page.wait_for_timeout(2 * PAUSE_SECONDS * 1_000)
    asked.clear()
    before = settled(page)
    page.wait_for_timeout(3 * PAUSE_SECONDS * 1_000)
    assert (asked, settled(page)) == ([], before)
    page.evaluate(HIDE, arg=False)
    wait_for_settled(page, before + 1)


def test_several_open_pages_share_the_pace_of_one(page: Page, context: BrowserContext) -> None:
    pages = [page, context.new_page(), context.new_page()]
    for one in pages:
        one.goto("/")
        wait_for_settled(one, 1)
    first, start = settled(page), time.monotonic()
    wait_for_settled(page, first + 4)
    made = settled(page) - first
    # An entry may arrive late, so that two come close together: one more than the pace allows.
    assert made <= (time.monotonic() - start) / PAUSE_SECONDS + 2


def test_the_payments_are_paused_and_resumed_by_keyboard_and_stay_paused_after_a_reload(page: Page, service: Service) -> None:
    page.goto("/")
    wait_for_settled(page, 1)
    button = page.get_by_role("button", name=re.compile(r"(Pause|Resume) payments"))
    page.get_by_role("button", name="Kill the API").focus()
    page.keyboard.press("Tab")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(button).to_have_text("Resume payments")
    expect(button).to_be_focused()
    page.reload()
    expect(button).to_have_text("Resume payments")
    sequence = service.sequence(ALICE.wallets[0].public_id)
    page.wait_for_timeout(3 * PAUSE_SECONDS * 1_000)
    assert service.sequence(ALICE.wallets[0].public_id) == sequence
    button.focus()
    page.keyboard.press("Space")
    wait_for_settled(page, 1)


def test_after_the_api_is_killed_the_page_says_so_and_catches_up_by_itself(
    page: Page, service: Service, outages: list[str]
) -> None:
    outages += KILLED
    page.goto("/")
    wait_for_settled(page, 1)
    page.get_by_role("button", name="Kill the API").click()
    said = page.get_by_label("The demo’s payments")
    expect(said).to_contain_text("The API is down.")
    expect(page.get_by_role("button", name="Kill the API")).to_have_attribute("aria-disabled", "true")
    expect(said).to_contain_text(re.compile(r"Killed, and back after [\d.]+ (s|min)"), timeout=60_000)
    after = settled(page)
    wait_for_settled(page, after + 2)
    for user in (ALICE, BOB):
        expect(page.get_by_label(f"{user.display_name}'s phone").get_by_label("Connection: Live")).to_be_visible()
    expect(page.get_by_label("Proof").locator(".total-good")).to_have_text(re.compile(r"\$0\.00"))
    pause(page, service)
    assert is_balanced(service)


def test_a_payment_whose_answer_is_lost_is_sent_again_with_its_key_and_paid_once(page: Page, outages: list[str]) -> None:
    outages.append("ERR_FAILED")
    keys: list[str] = []
    answers: list[Any] = []

    def lose_first_answer(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        payment = body.get("variables", {}).get("input")
        if payment is None:
            route.continue_()
            return
        keys.append(payment["idempotencyKey"])
        answer = route.fetch()
        answers.append(answer.json()["data"]["transfer"])
        if len(keys) == 1:
            route.abort()
        else:
            route.fulfill(response=answer)

    page.route("**/graphql", lose_first_answer)
    page.goto("/")
    wait_for_settled(page, 2)
    page.unroute_all(behavior="wait")
    assert keys[0] == keys[1]
    assert keys[1] not in keys[2:]
    assert [answer["replayed"] for answer in answers[:2]] == [False, True]


@pytest.mark.parametrize("size", [PHONE, SMALL_PHONE], ids=["390 by 844", "320 by 568"])
def test_both_phones_are_in_sight_on_a_phone(page: Page, size: ViewportSize) -> None:
    page.set_viewport_size(size)
    page.goto("/")
    is_live(page)
    bar = page.get_by_label("Pages").bounding_box()
    assert bar is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    for user in (ALICE, BOB):
        phone = page.get_by_label(f"{user.display_name}'s phone")
        whole = [phone] if size == PHONE else []
        for part in (*whole, page.get_by_label(f"{user.display_name}'s balance"), phone.get_by_role("button", name="Send $5.00")):
            box = part.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size["width"]
            assert box["y"] + box["height"] <= bar["y"]


@pytest.mark.parametrize("still_context", ["light", "dark"], indirect=True)
def test_axe_finds_nothing_while_money_moves_and_while_it_is_paused(still_context: BrowserContext) -> None:
    page = still_context.new_page()
    page.goto("/")
    page.add_script_tag(path=AXE)
    wait_for_settled(page, 2)
    found = []
    for state in ("moving", "paused"):
        if state == "paused":
            page.get_by_role("button", name="Pause payments").click()
            expect(page.get_by_role("button", name="Resume payments")).to_be_visible()
        results = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        found += [(state, one["id"], one["nodes"][0]["html"][:200]) for one in results["violations"]]
    assert found == []
