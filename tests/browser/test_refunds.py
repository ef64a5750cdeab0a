"""Refunds on the pages: given back in parts, once although an answer is lost, and shown on both transactions."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations, violations_in_both_schemes
from tests.browser.service import Service, sign_in
from tests.browser.test_unknown_outcomes import LostAnswers

DEPOSIT = "mutation($input: DepositInput!) { deposit(input: $input) { transaction { status } } }"


@pytest.fixture
def outages() -> list[str]:
    """The console logs an error for the request whose answer is lost."""
    return ["ERR_FAILED"]


@pytest.fixture
def sale(service: Service) -> tuple[str, str, str]:
    """A payment of 10 dollars from Carol to the merchant, with their wallets."""
    carol = service.open_wallet("carol", f"Box {uuid4().hex[:6]}")
    shop = service.open_wallet("merchant", f"Till {uuid4().hex[:6]}")
    given = {"idempotencyKey": str(uuid4()), "walletId": carol, "amount": {"amount": "10.00", "currency": "USD"}}
    assert service.ask("admin", DEPOSIT, input=given)["deposit"]["transaction"]["status"] == "COMPLETED"
    return service.pay("carol", carol, shop, "10.00"), carol, shop


def test_a_payment_is_refunded_in_parts_and_each_part_once_although_an_answer_is_lost(
    page: Page, service: Service, sale: tuple[str, str, str]
) -> None:
    paid, carol, shop = sale
    page.goto("/")
    sign_in(page, "Blue Door Books")
    page.goto(f"/transactions/{paid}")
    card, dialog = page.get_by_role("region", name="Given back"), page.get_by_role("dialog")
    refund = card.get_by_role("button", name="Refund")
    refund.click()
    amount = dialog.get_by_label("Amount in USD")
    expect(amount).to_be_focused()
    expect(amount).to_have_value("10.00")
    amount.fill("10.01")
    expect(dialog).to_contain_text("Only $10.00 of it has not gone back yet.")
    assert violations_in_both_schemes(page) == []
    amount.fill("4")
    dialog.get_by_label("Note (optional)").fill("one of two books")
    page.keyboard.press("Enter")
    expect(card).to_contain_text("$4.00 went back.")
    expect(card).to_contain_text("$4.00 of $10.00")
    assert (service.balance(carol), service.balance(shop)) == (Decimal("4.00"), Decimal("6.00"))
    card.get_by_role("button", name="Done").click()
    lost = LostAnswers(page)
    refund.click()
    page.keyboard.press("Enter")
    expect(card).to_contain_text("It is not known yet whether $6.00 went back.")
    expect(refund).to_have_count(0)
    lost.end()
    page.reload()
    expect(card).to_contain_text("$6.00 went back. This is the first answer again")
    expect(card).to_contain_text("$10.00 of $10.00")
    expect(refund).to_have_count(0)
    expect(card.get_by_role("listitem")).to_have_count(2)
    assert len(set(lost.keys)) == 1
    assert (service.balance(carol), service.balance(shop)) == (Decimal("10.00"), Decimal("0.00"))
    card.get_by_role("listitem").nth(1).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Reversal of $4.00")
    expect(page.get_by_role("link", name="a payment of $10.00")).to_be_visible()
    assert violations(page) == []


def test_the_one_who_paid_sees_what_went_back_and_has_no_button(page: Page, service: Service, sale: tuple[str, str, str]) -> None:
    paid, _, _ = sale
    reverse = "mutation($input: ReverseTransactionInput!) { reverseTransaction(input: $input) { transaction { status } } }"
    given = {"idempotencyKey": str(uuid4()), "transactionId": paid, "reason": "REFUND"}
    service.ask("merchant", reverse, input={**given, "amount": {"amount": "2.50", "currency": "USD"}})
    page.goto("/")
    sign_in(page, "Carol Castillo")
    page.goto(f"/transactions/{paid}")
    card = page.get_by_role("region", name="Given back")
    expect(card).to_contain_text("$2.50 of $10.00")
    expect(card.get_by_role("button")).to_have_count(0)
