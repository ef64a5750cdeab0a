"""The page on which administrators find users, wallets and transactions."""

from __future__ import annotations

from uuid import uuid4

from playwright.sync_api import Page, expect

from tests.browser.service import ALICE, BOB, Service, sign_in

_PAY = "mutation($input: TransferInput!) { transfer(input: $input) { transaction { id } userErrors { code } } }"


def find(page: Page, text: str) -> None:
    page.get_by_label("A user, a wallet or a transaction").fill(text)
    page.keyboard.press("Enter")


def test_an_administrator_finds_users_wallets_and_transactions(page: Page, service: Service) -> None:
    key, reference = f"key-{uuid4()}", f"order {uuid4()}"
    wallet = ALICE.wallets[0].public_id
    pay = {
        "idempotencyKey": key,
        "senderWalletId": wallet,
        "receiverWalletId": BOB.wallets[0].public_id,
        "amount": {"amount": "0.41", "currency": "USD"},
        "reference": reference,
    }
    paid = service.ask("alice", _PAY, input=pay)["transfer"]["transaction"]["id"]
    users, transactions = page.get_by_role("region", name="Users"), page.get_by_role("list", name="Transactions")
    page.goto("/")
    sign_in(page, "Paycore Support")
    page.get_by_label("Pages").get_by_role("link", name="Find").click()
    expect(page.get_by_role("region", name="Newest transactions").locator(f"a[href='/transactions/{paid}']")).to_be_visible()

    page.keyboard.press("Control+K")
    page.get_by_label("Command palette").get_by_role("combobox").fill("Ahl")
    page.get_by_role("option", name="Users and transactions like Ahl").click()
    expect(page).to_have_url(f"{service.url}/find?q=Ahl")
    expect(users.get_by_role("link", name="Alice Ahlgren")).to_be_visible()
    expect(users.get_by_role("link", name="Bob Baker")).to_have_count(0)
    expect(users.locator(f"a[href='/wallets/{wallet}']")).to_be_visible()
    find(page, reference)
    expect(transactions.get_by_role("link")).to_contain_text("$0.41")
    expect(users.get_by_role("status")).to_have_text("No user has this id or subject, or such a name.")
    find(page, wallet)
    expect(page.get_by_role("region", name="Wallet").get_by_role("link")).to_contain_text("Alice Ahlgren")
    find(page, f"http://127.0.0.1/transactions/{paid}")
    expect(transactions.get_by_role("link")).to_have_attribute("href", f"/transactions/{paid}")

    page.go_back()
    expect(page.get_by_label("A user, a wallet or a transaction")).to_have_value(wallet)
    find(page, "alice")
    users.get_by_role("link", name="Alice Ahlgren").click()
    expect(page.get_by_role("heading", name="Alice Ahlgren")).to_be_visible()
    by_key = page.get_by_label("Transaction by its idempotency key")
    by_key.fill("never used")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Alice Ahlgren has made no transaction with this key.")).to_be_visible()
    by_key.fill(key)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{service.url}/transactions/{paid}")


def test_the_search_is_for_administrators_only(page: Page) -> None:
    page.goto("/")
    sign_in(page, "Bob Baker")
    expect(page.get_by_label("Pages").get_by_role("link", name="Find")).to_have_count(0)
    page.goto("/find?q=alice")
    expect(page.get_by_role("heading", name="The search is for administrators")).to_be_visible()
    expect(page.get_by_text("Alice Ahlgren", exact=True).locator("visible=true")).to_have_count(0)
