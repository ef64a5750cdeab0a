"""Direct calls to the running service. Tests compare the API's answers with what the browser shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from playwright.sync_api import Locator, Page, expect

from app.demo.seed import USERS
from tests.browser.window import EMPTY

ALICE, BOB, CAROL, MERCHANT, _ADMIN = USERS
_PAY = """mutation($input: TransferInput!) { transfer(input: $input) { transaction { id status } userErrors { code } } }"""
_BATCH = """mutation($transfers: [TransferInput!]!) {
  transferBatch(input: {transfers: $transfers}) { results { transaction { status } } }
}"""
_OPEN = "mutation($input: OpenWalletInput!) { openWallet(input: $input) { wallet { id } userErrors { code message } } }"
_SET_STATUS = """mutation($id: ID!, $status: WalletStatus!) {
  setWalletStatus(input: {walletId: $id, status: $status, reason: "a browser test"}) { wallet { status } }
}"""
_BALANCE = "query($id: ID!) { wallet(id: $id) { sequence balance { amount } } }"


@dataclass
class Service:
    """The service's base URL and its home directory."""

    url: str
    home: Path

    def token(self, subject: str) -> str:
        """Returns a demo user's token."""
        session = httpx.get(f"{self.url}/demo/session").json()
        token: str = next(user["token"] for user in session["users"] if user["subject"] == subject)
        return token

    def ask(self, subject: str, query: str, **variables: Any) -> Any:
        """Execute one operation and return its data. Fails if the answer has errors."""
        headers = {"Authorization": f"Bearer {self.token(subject)}"}
        answer = httpx.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, headers=headers, timeout=20
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def balance(self, wallet_id: str) -> Decimal:
        """Returns the wallet's balance in the ledger, in major units."""
        return Decimal(self.ask("admin", _BALANCE, id=wallet_id)["wallet"]["balance"]["amount"])

    def sequence(self, wallet_id: str) -> int:
        """Returns the sequence number of the wallet's newest entry."""
        return int(self.ask("admin", _BALANCE, id=wallet_id)["wallet"]["sequence"])

    def pay(self, subject: str, sender: str, receiver: str, amount: str, currency: str = "USD") -> str:
        """Make one transfer and return the id of its transaction."""
        done = self.ask(subject, _PAY, input=_input(sender, receiver, amount, currency))["transfer"]
        assert done["userErrors"] == [], done
        transaction_id: str = done["transaction"]["id"]
        return transaction_id

    def open_wallet(self, subject: str, name: str) -> str:
        """Open a wallet in dollars and return its id."""
        wanted = {"idempotencyKey": str(uuid4()), "currency": "USD", "name": name}
        opened = self.ask(subject, _OPEN, input=wanted)["openWallet"]
        assert opened["userErrors"] == [], opened
        wallet_id: str = opened["wallet"]["id"]
        return wallet_id

    @contextmanager
    def frozen(self, wallet_id: str) -> Iterator[None]:
        """Keep the wallet frozen for the duration of the block."""
        self.ask("admin", _SET_STATUS, id=wallet_id, status="FROZEN")
        try:
            yield
        finally:
            self.ask("admin", _SET_STATUS, id=wallet_id, status="ACTIVE")

    def pay_often(self, subject: str, sender: str, receiver: str, count: int) -> None:
        """Make `count` transfers of one cent each."""
        transfers = [_input(sender, receiver, "0.01", "USD") for _ in range(count)]
        results = self.ask(subject, _BATCH, transfers=transfers)["transferBatch"]["results"]
        assert {result["transaction"]["status"] for result in results} == {"COMPLETED"}


def _input(sender: str, receiver: str, amount: str, currency: str) -> dict[str, Any]:
    return {
        "idempotencyKey": str(uuid4()),
        "senderWalletId": sender,
        "receiverWalletId": receiver,
        "amount": {"amount": amount, "currency": currency},
    }


def sign_in(page: Page, display_name: str) -> None:
    """Choose a demo user in the header's list. Works on any page."""
    page.get_by_label("Signed in as").select_option(label=display_name)
    expect(page.get_by_label("Signed in as")).to_have_value(
        next(user.subject for user in USERS if user.display_name == display_name)
    )


def become(page: Page, subject: str | None) -> None:
    """Sign in as the page would remember it. Faster than its list of users, which other tests use."""
    if not page.url.endswith(EMPTY):
        page.goto(EMPTY)
    # The page knows no user without a name.
    page.evaluate("subject => sessionStorage.setItem('paycore.signed-in-as', subject)", subject or "")


def open_as(page: Page, display_name: str, path: str) -> None:
    """Open an address as a demo user, without another page to sign in on."""
    become(page, next(user.subject for user in USERS if user.display_name == display_name))
    page.goto(path)


def is_live(page: Page | Locator) -> None:
    """Wait until the page, or a part of it, shows the connection as live."""
    expect(page.get_by_label("Connection: Live").first).to_be_visible(timeout=30_000)


def shown(amount: Decimal) -> str:
    """An amount in dollars as the pages format it for en-US."""
    return f"${amount:,.2f}"
