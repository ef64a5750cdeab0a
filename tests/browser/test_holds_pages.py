"""Holds on the pages: a wallet's holds with their countdown, what a shop does with them, the check-out demo, and the races."""

from __future__ import annotations

import re
from decimal import Decimal
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations_in_both_schemes
from tests.browser.service import ALICE, BOB, Service, become, shown
from tests.browser.test_refunds import DEPOSIT
from tests.browser.test_unknown_outcomes import LostAnswers

PLACE = """mutation($input: PlaceHoldInput!) { placeHold(input: $input) { hold { id } userErrors { code } } }"""
_SUMS = "query($id: ID!) { hold(id: $id) { status captured { amount } released { amount } remaining { amount } } }"
_LEFT = """() => document.querySelector('[role="timer"]').getBoundingClientRect().right"""


@pytest.fixture
def outages() -> list[str]:
    """The console logs an error for the request whose answer is lost."""
    return ["ERR_FAILED"]


@pytest.fixture
def wallets(service: Service) -> tuple[str, str]:
    """Carol's wallet with 100 dollars, and a wallet of the merchant."""
    carol = service.open_wallet("carol", f"Box {uuid4().hex[:6]}")
    shop = service.open_wallet("merchant", f"Till {uuid4().hex[:6]}")
    given = {"idempotencyKey": str(uuid4()), "walletId": carol, "amount": {"amount": "100.00", "currency": "USD"}}
    assert service.ask("admin", DEPOSIT, input=given)["deposit"]["transaction"]["status"] == "COMPLETED"
    return carol, shop


def _place(service: Service, wallets: tuple[str, str], amount: str, seconds: int, note: str) -> str:
    wanted = {"idempotencyKey": str(uuid4()), "walletId": wallets[0], "receiverWalletId": wallets[1], "expiresIn": seconds}
    placed = service.ask("carol", PLACE, input={**wanted, "amount": {"amount": amount, "currency": "USD"}, "description": note})
    assert placed["placeHold"]["userErrors"] == []
    hold_id: str = placed["placeHold"]["hold"]["id"]
    return hold_id


def _sums(service: Service, hold_id: str) -> tuple[str, str, str, str]:
    hold = service.ask("merchant", _SUMS, id=hold_id)["hold"]
    return hold["status"], hold["captured"]["amount"], hold["released"]["amount"], hold["remaining"]["amount"]


def test_a_shop_captures_a_part_once_although_the_answer_is_lost_and_releases_the_rest(
    page: Page, service: Service, wallets: tuple[str, str]
) -> None:
    hold_id = _place(service, wallets, "40.00", 900, "three books")
    become(page, "merchant")
    page.goto(f"/wallets/{wallets[1]}")
    card, dialog = page.get_by_role("region", name="Holds"), page.get_by_role("dialog")
    row = card.get_by_role("list", name="In this wallet’s favour").get_by_role("listitem")
    expect(row).to_contain_text("Carol Castillo")
    expect(row.get_by_role("timer")).to_have_text(re.compile(r"^1[45]:\d\d$"))
    row.get_by_role("button", name="Capture").click()
    amount = dialog.get_by_label("Amount in USD")
    expect(amount).to_be_focused()
    amount.fill("40.01")
    expect(dialog).to_contain_text("Only $40.00 of it remains.")
    amount.fill("25")
    dialog.get_by_label("Keep it held").check()
    assert violations_in_both_schemes(page) == []
    lost = LostAnswers(page)
    page.keyboard.press("Enter")
    expect(card).to_contain_text("It is not known yet whether $25.00 was captured.")
    lost.end()
    page.reload()
    expect(card).to_contain_text("$25.00 captured. This is the first answer again; nothing happened twice. The rest stays held.")
    outcome = card.get_by_role("group", name="Outcome")
    expect(outcome).to_be_focused()
    outcome.get_by_role("button", name="Done").click()
    expect(card.get_by_role("heading", name="Holds")).to_be_focused()
    expect(row).to_contain_text("$15.00of $40.00")
    assert _sums(service, hold_id) == ("OPEN", "25.00", "0.00", "15.00")
    row.get_by_role("button", name="Release").click()
    expect(dialog).to_contain_text("Carol Castillo can spend $15.00 again.")
    dialog.get_by_role("button", name="Release $15.00").click()
    expect(card).to_contain_text("$15.00 released.")
    expect(outcome).to_be_focused()
    expect(card.get_by_role("list", name="Ended lately")).to_contain_text("$25.00 capturedCaptured")
    expect(row).to_have_count(0)
    assert _sums(service, hold_id) == ("CAPTURED", "25.00", "15.00", "0.00")
    page.set_viewport_size({"width": 390, "height": 844})
    card.get_by_role("link", name="Carol Castillo").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Hold of $40.00")
    assert violations_in_both_schemes(page) == []
    page.get_by_role("region", name="Captures").get_by_role("link", name="$25.00").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Capture of $25.00")
    page.get_by_role("region", name="Given back").get_by_role("button", name="Refund").click()
    amount.fill("5")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Given back")).to_contain_text("$5.00 of $25.00")
    assert service.balance(wallets[0]) == Decimal("80.00")


def test_the_payer_sees_what_is_held_and_that_it_expires_without_a_reload(
    page: Page, service: Service, wallets: tuple[str, str]
) -> None:
    become(page, "carol")
    page.goto(f"/wallets/{wallets[0]}")
    head, card = page.get_by_role("region", name="Wallet"), page.get_by_role("region", name="Holds")
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()
    expect(card).to_have_count(0)
    _place(service, wallets, "30.00", 900, "a table for two")
    expect(head).to_contain_text("Held: $30.00 · Available: $70.00")
    held = card.get_by_role("list", name="On this wallet’s money").get_by_role("listitem")
    expect(held).to_contain_text("Blue Door Books")
    expect(held.get_by_role("button")).to_have_count(0)
    timer = held.get_by_role("timer")
    before, edge = timer.inner_text(), page.evaluate(_LEFT)
    expect(timer).not_to_have_text(before)
    assert page.evaluate(_LEFT) == edge
    _place(service, wallets, "20.00", 2, "a taxi")
    expect(card.get_by_role("list", name="Ended lately")).to_contain_text("a taxi$20.00Expired")
    expect(held).to_contain_text("a table for two")
    expect(head).to_contain_text("Held: $30.00 · Available: $70.00")


def test_an_action_that_comes_too_late_is_refused_in_words(page: Page, service: Service, wallets: tuple[str, str]) -> None:
    hold_id = _place(service, wallets, "10.00", 900, "a vase")
    become(page, "merchant")
    page.goto(f"/holds/{hold_id}")
    page.get_by_role("button", name="Capture").click()
    release = "mutation($input: ReleaseHoldInput!) { releaseHold(input: $input) { userErrors { code } } }"
    service.ask("merchant", release, input={"idempotencyKey": str(uuid4()), "holdId": hold_id})
    page.get_by_role("dialog").get_by_role("button", name="Capture $10.00").click()
    expect(page.get_by_role("group", name="Outcome")).to_contain_text("There is no open hold with this id")
    expect(page.get_by_role("region", name="Hold").first).to_contain_text("Released")
    expect(page.get_by_role("button", name="Capture")).to_have_count(0)


def test_a_check_out_moves_both_phones_step_by_step_and_the_focus_goes_with_it(page: Page, service: Service) -> None:
    alice, bob = (service.balance(user.wallets[0].public_id) for user in (ALICE, BOB))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/checkout")
    payer, shop = (page.get_by_role("article", name=f"{name}’s phone") for name in ("Alice Ahlgren", "Bob Baker"))
    expect(shop).to_contain_text("No order yet.")
    boxes = [phone.bounding_box() for phone in (payer, shop)]
    assert all(
        box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] + box["height"] < 844 for box in boxes
    )
    amount = page.get_by_label("Amount in USD")
    amount.fill("30")
    page.keyboard.press("Enter")
    confirm = payer.get_by_role("button", name="Confirm $30.00")
    expect(confirm).to_be_focused()
    assert violations_in_both_schemes(page) == []
    page.keyboard.press("Enter")
    capture = page.get_by_role("button", name="Capture")
    expect(capture).to_be_focused()
    expect(payer.locator("dd").first).to_have_text("$30.00")
    expect(shop.locator("dd").first).to_have_text("$30.00")
    expect(payer.get_by_label("Alice Ahlgren’s balance")).to_contain_text(shown(alice))
    amount.fill("20")
    page.get_by_role("button", name="Capture $20.00").click()
    expect(page.get_by_role("button", name="Release $10.00")).to_be_focused()
    expect(payer.get_by_label("Alice Ahlgren’s balance")).to_contain_text(shown(alice - 20))
    expect(shop.get_by_label("Bob Baker’s balance")).to_contain_text(shown(bob + 20))
    expect(payer.locator("dd").first).to_have_text("$10.00")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Refund $10.00")).to_be_focused()
    expect(payer.locator("dd").first).to_have_text("$0.00")
    page.keyboard.press("Enter")
    again = page.get_by_role("button", name="Start again")
    expect(again).to_be_focused()
    expect(payer.get_by_label("Alice Ahlgren’s balance")).to_contain_text(shown(alice - 10))
    expect(shop.get_by_label("Bob Baker’s balance")).to_contain_text(shown(bob + 10))
    assert violations_in_both_schemes(page) == []
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Ask Alice for $40.00")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(payer.locator("dd").first).to_have_text("$40.00")
    page.get_by_role("button", name="Start again").click()
    expect(payer.locator("dd").first).to_have_text("$0.00")
    assert (service.balance(ALICE.wallets[0].public_id), service.balance(BOB.wallets[0].public_id)) == (alice - 10, bob + 10)


@pytest.mark.slow
def test_fifty_captures_pay_what_was_held_and_each_race_for_a_hold_has_one_end(page: Page) -> None:
    page.goto("/break")
    run = page.get_by_role("region", name="Fifty captures of one hold")
    race = page.get_by_role("region", name="Capture, release or expiry")
    run.get_by_role("button").click()
    expect(run.locator(".verdict-good")).to_contain_text("30 paid, 20 refused because nothing remained.", timeout=60_000)
    race.get_by_role("button").click()
    expect(race.locator(".verdict-good")).to_contain_text("each ended once", timeout=60_000)
    assert violations_in_both_schemes(page) == []
