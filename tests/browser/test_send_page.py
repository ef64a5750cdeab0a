"""The Send page and the dialogs: accepted input, refusals before anything is sent, and keyboard focus."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.axe import violations_in_both_schemes
from tests.browser.service import ALICE, BOB, CAROL, MERCHANT, Service, open_as, shown
from tests.browser.test_graphiql_page import EXECUTE
from tests.browser.test_unknown_outcomes import credits_of, fill_in_payment_to_bob
from tests.browser.window import pause_ambient_payments

DOLLARS = ALICE.wallets[0].public_id


def open_send(page: Page, name: str, wallet_id: str) -> None:
    open_as(page, name, f"/send?from={wallet_id}")
    expect(page.get_by_label("From")).to_have_value(wallet_id)


def look_up(page: Page, wallet_id: str) -> None:
    page.get_by_role("radio", name="Another wallet").check()
    page.get_by_label("The wallet’s id").fill(wallet_id)


def hint(page: Page) -> Locator:
    return page.locator("#send-amount-hint")


def test_an_amount_may_be_typed_in_several_forms_and_the_balance_after_it_is_shown(page: Page, service: Service) -> None:
    open_send(page, "Alice Ahlgren", DOLLARS)
    after = {
        text: service.balance(DOLLARS) - Decimal(amount) for text, amount in ((".5", "0.50"), ("$5", "5"), ("１２.５０", "12.5"))
    }
    for text, balance in after.items():
        page.get_by_label("Amount").fill(text)
        expect(hint(page)).to_contain_text(f"Balance after: {shown(balance)}")
    page.get_by_label("Amount").fill("1,234.50")
    expect(page.get_by_role("button", name="Send $1,234.50")).to_be_visible()


@pytest.mark.parametrize(("locale", "typed", "echo"), [("de-DE", "1.234,50", "1.234,50"), ("ar-EG", "١٬٢٣٤٫٥٠", "١٬٢٣٤٫٥٠")])
def test_an_amount_is_parsed_and_formatted_in_the_browsers_locale(
    browser: Browser, service: Service, locale: str, typed: str, echo: str
) -> None:
    context = browser.new_context(base_url=service.url, locale=locale)
    pause_ambient_payments(context)
    page = context.new_page()
    open_send(page, "Alice Ahlgren", DOLLARS)
    page.get_by_label("Amount").fill(typed)
    expect(page.locator("form button[type=submit]")).to_contain_text(echo)
    context.close()


def test_an_invalid_form_focuses_its_first_invalid_field(page: Page) -> None:
    open_send(page, "Alice Ahlgren", DOLLARS)
    look_up(page, BOB.wallets[0].public_id)
    expect(page.get_by_role("button", name="Yes, send to Bob Baker")).to_be_visible()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_label("Amount")).to_be_focused()
    expect(hint(page)).to_have_text("How much is it?")
    page.get_by_label("Amount").fill("1")
    page.get_by_role("button", name="Send $1.00").click()
    expect(page.get_by_role("button", name="Yes, send to Bob Baker")).to_be_focused()
    assert violations_in_both_schemes(page) == []


def test_an_amount_above_the_available_balance_is_refused_before_it_is_sent(page: Page, service: Service) -> None:
    fill_in_payment_to_bob(page, "900000000.00")
    expect(hint(page)).to_contain_text(f"more than the wallet has. Available: {shown(service.balance(DOLLARS))}")
    page.get_by_role("button", name="Send $900,000,000.00").click()
    expect(page.get_by_label("Amount")).to_be_focused()
    expect(page.get_by_label("This payment")).to_have_count(0)


def test_many_payments_to_one_recipient_do_not_hide_the_others(page: Page, service: Service) -> None:
    service.pay_often("alice", DOLLARS, BOB.wallets[0].public_id, 110)
    open_send(page, "Alice Ahlgren", DOLLARS)
    expect(page.get_by_role("radio", name="Bob Baker")).to_be_visible()
    expect(page.get_by_role("radio", name="Carol Castillo")).to_be_visible()


def test_a_recipient_with_another_currency_is_announced_before_anything_is_sent(page: Page) -> None:
    euros = next(wallet.public_id for user in (BOB, CAROL, MERCHANT) for wallet in user.wallets if wallet.currency == "EUR")
    open_send(page, "Alice Ahlgren", DOLLARS)
    look_up(page, euros)
    expect(page.locator("#send-to-answer")).to_contain_text("pays in USD, so the payment is exchanged")
    page.get_by_role("button", name=re.compile("^Yes, send to")).click()
    expect(page.get_by_role("radio", name="what you pay, in USD")).to_be_checked()


def test_a_frozen_sender_wallet_is_reported_before_anything_is_sent(page: Page, service: Service) -> None:
    wallet = CAROL.wallets[0]
    with service.frozen(wallet.public_id):
        open_send(page, "Carol Castillo", wallet.public_id)
        expect(page.locator("#send-from-problem")).to_contain_text(f"“{wallet.name}” is frozen")
        page.get_by_label("Amount").fill("1")
        page.get_by_role("button", name="Send $1.00").click()
        expect(page.get_by_label("From")).to_be_focused()


def test_a_frozen_recipient_is_reported_and_change_it_focuses_the_amount(page: Page, service: Service) -> None:
    with service.frozen(BOB.wallets[0].public_id):
        fill_in_payment_to_bob(page, "1.01")
        page.get_by_role("button", name="Send $1.01").click()
        outcome = page.get_by_label("This payment")
        expect(outcome).to_contain_text("The recipient’s wallet is frozen or closed")
        assert violations_in_both_schemes(page) == []
        expect(outcome).to_be_focused()
        outcome.get_by_role("button", name="Change it and try again").click()
        expect(page.get_by_label("Amount")).to_be_focused()
        expect(page.get_by_label("Amount")).to_have_value("1.01")


def test_pay_again_makes_a_second_payment_of_the_same_amount_to_the_same_recipient(page: Page, service: Service) -> None:
    receiver = BOB.wallets[0].public_id
    before = credits_of(service, receiver, "4.44")
    fill_in_payment_to_bob(page, "4.44")
    page.get_by_label("Note").fill("tea")
    page.get_by_role("button", name="Send $4.44").click()
    outcome = page.get_by_label("This payment")
    expect(outcome.get_by_text("tea")).to_be_visible()
    expect(outcome).to_be_focused()
    outcome.get_by_role("button", name="Pay again").click()
    expect(page.get_by_label("Amount")).to_be_focused()
    expect(page.get_by_role("radio", name="Bob Baker")).to_be_checked()
    expect(page.get_by_label("Note")).to_have_value("tea")
    page.get_by_role("button", name="Send $4.44").click()
    expect(outcome).to_contain_text("See the life of this transfer")
    assert credits_of(service, receiver, "4.44") == before + 2


def test_graphiql_opens_with_the_values_of_the_form_and_runs_the_transfer(page: Page, service: Service) -> None:
    receiver = BOB.wallets[0].public_id
    before = credits_of(service, receiver, "3.33")
    fill_in_payment_to_bob(page, "3.33")
    transfer = page.locator("details.operation").filter(has_text="Transfer").first
    transfer.locator("summary").click()
    with page.context.expect_page() as opened:
        transfer.get_by_role("link", name=re.compile("Open in GraphiQL")).click()
    graphiql = opened.value
    expect(graphiql.locator(".graphiql-query-editor .view-line").first).to_be_visible(timeout=60_000)
    graphiql.get_by_role("button", name=EXECUTE).click()
    expect(graphiql.locator(".graphiql-response .view-lines")).to_contain_text("COMPLETED")
    assert credits_of(service, receiver, "3.33") == before + 1


def test_the_operation_of_an_empty_form_has_a_valid_recipient_id(page: Page) -> None:
    open_send(page, "Alice Ahlgren", DOLLARS)
    shown_variables = page.locator("details.operation pre").nth(1)
    expect(shown_variables).to_contain_text(re.compile(r'"receiverWalletId": "wal_[0-9a-z]{26}"'))


def test_a_dialog_focuses_its_first_field_and_returns_the_focus_when_it_closes(page: Page) -> None:
    open_as(page, "Alice Ahlgren", "/wallets")
    opener = page.get_by_role("button", name="Open a wallet")
    opener.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()
    opener.click()
    dialog.get_by_label("Name").fill("   ")
    dialog.get_by_role("button", name="Open it").click()
    expect(dialog.get_by_role("alert")).to_have_text("Give the wallet a name.")
    assert violations_in_both_schemes(page) == []
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("Name").fill("Holidays")
    dialog.get_by_role("button", name="Open it").click()
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()


def test_a_blank_reason_for_freezing_a_wallet_shows_an_error(page: Page) -> None:
    open_as(page, "Paycore Support", "/control")
    page.get_by_label("Another wallet").fill(MERCHANT.wallets[0].public_id)
    page.get_by_role("button", name="Find it").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    dialog.get_by_label("Reason").fill(" ")
    dialog.get_by_role("button", name="Freeze it").click()
    expect(dialog.get_by_role("alert")).to_have_text("Say why: the reason is kept.")
    assert violations_in_both_schemes(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Find it")).to_be_focused()
