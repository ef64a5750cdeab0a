"""Fees on the pages: before a payment and after it, in the ledger's accounts, and published in the control room."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.axe import violations, violations_in_both_schemes
from tests.browser.service import Service, open_as

CURRENCY = "CHF"
"""No other browser test pays in it, so none is charged."""
PUBLISH = """mutation($input: PublishFeeScheduleInput!) {
  publishFeeSchedule(input: $input) { feeSchedule { version } userErrors { message } }
}"""
OPEN = "mutation($input: OpenWalletInput!) { openWallet(input: $input) { wallet { id } } }"
DEPOSIT = "mutation($input: DepositInput!) { deposit(input: $input) { transaction { status } } }"


def publish(service: Service, **terms: Any) -> None:
    given = {
        "idempotencyKey": str(uuid4()),
        "name": "Card fee",
        "currency": CURRENCY,
        "payer": "SENDER",
        "reason": "a browser test",
    }
    published = service.ask("admin", PUBLISH, input=given | terms)["publishFeeSchedule"]
    assert published["userErrors"] == []


def francs(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": CURRENCY}


@pytest.fixture(scope="module")
def wallets(service: Service) -> tuple[str, str]:
    """Carol's wallet in francs, with money, and the merchant's. Other tests count the wallets of Alice and Bob."""
    opened = []
    for subject in ("carol", "merchant"):
        given = {"idempotencyKey": str(uuid4()), "currency": CURRENCY, "name": "Francs"}
        opened.append(service.ask(subject, OPEN, input=given)["openWallet"]["wallet"]["id"])
    deposit = {"idempotencyKey": str(uuid4()), "walletId": opened[0], "amount": francs("1000.00")}
    assert service.ask("admin", DEPOSIT, input=deposit)["deposit"]["transaction"]["status"] == "COMPLETED"
    return opened[0], opened[1]


@pytest.fixture
def charged(service: Service) -> Iterator[None]:
    """2.9 % and 0.30 on transfers in francs, for the duration of the test."""
    publish(service, percent="2.9", flat=francs("0.30"))
    yield
    publish(service, name="No fee")


def fill_in(page: Page, wallets: tuple[str, str], amount: str) -> Locator:
    """Fill in a payment of Carol to the merchant, and return what is shown of its fee."""
    open_as(page, "Carol Castillo", f"/send?from={wallets[0]}&to={wallets[1]}")
    expect(page.get_by_role("radio", name="Blue Door Books")).to_be_checked()
    page.get_by_label("Amount").fill(amount)
    return page.locator(".fee-line")


def test_a_fee_is_shown_before_the_payment_in_its_receipt_and_in_the_accounts(
    page: Page, service: Service, wallets: tuple[str, str], charged: None
) -> None:
    before = service.balance(wallets[0])
    shown = fill_in(page, wallets, "10.00")
    expect(shown).to_contain_text(re.compile(r"Fee CHF\s0\.59 · You pay CHF\s10\.59 · Receiver gets CHF\s10\.00"))
    expect(page.locator("#send-amount-hint")).to_contain_text(f"{before - Decimal('10.59'):,.2f}")
    assert violations_in_both_schemes(page) == []
    page.get_by_role("button", name=re.compile("^Send CHF")).click()
    outcome = page.get_by_label("This payment")
    explained = "Card fee: 2.9 % of 10.00 + 0.30 = 0.59, paid by the sender"
    expect(outcome).to_contain_text(explained)
    assert violations_in_both_schemes(page) == []
    assert service.balance(wallets[0]) == before - Decimal("10.59")
    outcome.get_by_role("link", name="See the life of this transfer").click()
    expect(page.get_by_label("Transaction", exact=True)).to_contain_text(explained)
    ledger = page.get_by_role("region", name="In the ledger")
    expect(ledger.get_by_role("table", name="Fees")).to_contain_text(re.compile(r"0\.59"))
    expect(ledger.locator(".t-sum-good")).to_contain_text(re.compile(r"CHF\s0\.00"))
    page.goto(f"/wallets/{wallets[0]}")
    expect(page.get_by_label("Transactions, newest first").get_by_role("listitem").first).to_contain_text(
        re.compile(r"fee CHF\s0\.59")
    )


def test_a_fee_that_changed_is_confirmed_again_and_paid_once_with_the_same_key(
    page: Page, service: Service, wallets: tuple[str, str], charged: None
) -> None:
    before = service.balance(wallets[1])
    expect(fill_in(page, wallets, "20.00")).to_contain_text("0.88")
    publish(service, percent="5", payer="RECEIVER")
    sent: list[dict[str, Any]] = []
    page.on(
        "request", lambda request: sent.append(_input(request.post_data)) if '"Transfer"' in (request.post_data or "") else None
    )
    page.get_by_role("button", name=re.compile("^Send CHF")).click()
    outcome = page.get_by_label("This payment")
    expect(outcome).to_contain_text(re.compile(r"The fee is CHF\s1\.00 now, and this payment accepted CHF\s0\.88"))
    expect(outcome.locator(".fee-line")).to_contain_text(re.compile(r"You pay CHF\s20\.00 · Receiver gets CHF\s19\.00"))
    assert violations_in_both_schemes(page) == []
    assert service.balance(wallets[1]) == before
    outcome.get_by_role("button", name=re.compile(r"Send it with a fee of CHF\s1\.00")).click()
    expect(outcome).to_contain_text("See the life of this transfer")
    assert service.balance(wallets[1]) == before + 19
    assert [one["maxFee"]["amount"] for one in sent] == ["0.88", "1.00"]
    assert len({one["idempotencyKey"] for one in sent}) == 1


def test_an_operator_accepts_the_fee_of_a_deposit_before_it_is_made(
    page: Page, service: Service, wallets: tuple[str, str]
) -> None:
    before = service.balance(wallets[0])
    publish(service, transactionType="DEPOSIT", payer="RECEIVER", percent="1")
    open_as(page, "Paycore Support", f"/wallets/{wallets[0]}")
    page.get_by_role("button", name="Deposit", exact=True).click()
    page.get_by_label("Amount in CHF").fill("50")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Yes, deposit").click()
    outcome = page.get_by_role("region", name="Deposit")
    expect(outcome).to_contain_text("Refused: nothing moved")
    assert violations_in_both_schemes(page) == []
    assert service.balance(wallets[0]) == before
    outcome.get_by_role("button", name=re.compile(r"Deposit it with a fee of CHF\s0\.50")).click()
    expect(outcome).to_contain_text("deposited into")
    assert service.balance(wallets[0]) == before + Decimal("49.50")
    publish(service, transactionType="DEPOSIT", payer="RECEIVER", name="No fee")


def test_without_a_fee_nothing_is_shown_and_no_limit_is_sent_and_a_failed_preview_holds_nothing_up(
    page: Page, service: Service, wallets: tuple[str, str]
) -> None:
    limited = {"errors": [{"message": "Too many.", "extensions": {"code": "RATE_LIMITED", "retryAfterSeconds": 60}}]}
    sent: list[dict[str, Any]] = []
    page.on(
        "request", lambda request: sent.append(_input(request.post_data)) if '"Transfer"' in (request.post_data or "") else None
    )
    for fails in (False, True):
        if fails:
            page.route(
                "**/graphql",
                lambda route: (
                    route.fulfill(json=limited) if "PreviewTransfer" in (route.request.post_data or "") else route.continue_()
                ),
            )
        with page.expect_response(lambda answer: "PreviewTransfer" in (answer.request.post_data or "")):
            shown = fill_in(page, wallets, "3.00")
        expect(shown).to_have_count(0)
        page.get_by_role("button", name=re.compile("^Send CHF")).click()
        expect(page.get_by_label("This payment")).to_contain_text("See the life of this transfer")
    assert ["maxFee" in one for one in sent] == [False, False]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_administrator_publishes_a_schedule_and_sees_what_it_charges(browser: Browser, service: Service, scheme: str) -> None:
    context = browser.new_context(
        base_url=service.url,
        bypass_csp=True,
        viewport={"width": 320, "height": 640} if scheme == "dark" else {"width": 1280, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        locale="en-US",
        reduced_motion="reduce",
    )
    context.set_default_timeout(20_000)
    page = context.new_page()
    open_as(page, "Paycore Support", "/control")
    fees = page.get_by_role("region", name="Fees")
    fees.get_by_role("button", name="Publish a schedule").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog.get_by_label("Name")).to_be_focused()
    expect(dialog.get_by_text("Give the schedule a name.")).to_be_visible()
    name = f"Card fee, {scheme}"
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Currency").select_option(value=CURRENCY)
    dialog.get_by_label("Percent").fill("2.9")
    dialog.get_by_label("Flat amount").fill("0.30")
    dialog.get_by_label("Reason").fill("a browser test")
    assert violations(page) == []
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog).to_contain_text(re.compile(r"A transfer of CHF\s100\.00 will cost CHF\s3\.20, paid by the sender"))
    dialog.get_by_role("button", name="Publish it").click()
    expect(dialog).to_have_count(0)
    expect(fees.get_by_role("status")).to_contain_text(f"Published: {name}")
    row = fees.get_by_role("listitem").filter(has_text=name)
    expect(row).to_contain_text(re.compile(r"2\.9% \+ CHF\s0\.30"))
    expect(page.get_by_role("region", name="Trial balance")).to_contain_text("Equal · USD")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    context.close()
    publish(service, name="No fee")


def _input(body: str | None) -> dict[str, Any]:
    variables: dict[str, Any] = json.loads(body or "{}")["variables"]
    given: dict[str, Any] = variables["input"]
    return given
