"""The experiment "Rewrite history": a row is changed by SQL, found by everyone who looks, and comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import violations_in_both_schemes
from tests.browser.conftest import KILLED
from tests.browser.service import ALICE, BOB, Service
from tests.waiting import wait_until

SOON = 60_000


@pytest.fixture
def card(page: Page, service: Service) -> Iterator[Locator]:
    """The experiment on its page. The ledger is as it was afterwards."""
    transaction = service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, "3.30")
    signed = "query($id: ID!) { transaction(id: $id) { receipt { proof } } }"
    assert wait_until(lambda: (service.ask("admin", signed, id=transaction)["transaction"]["receipt"] or {}).get("proof"), 30)
    page.goto("/break")
    yield page.get_by_role("region", name="Rewrite history")
    restore(service)


def restore(service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.token('admin')}"}
    httpx.delete(f"{service.url}/demo/tampering", headers=headers, timeout=20).raise_for_status()


def step(card: Locator, title: str) -> Locator:
    return card.get_by_role("list", name="What happened").locator("> li").filter(has=card.page.get_by_role("heading", name=title))


def test_a_row_that_a_superuser_changed_is_named_and_restored(page: Page, card: Locator) -> None:
    card.get_by_role("button", name="Tamper with it").click()
    expect(card.get_by_label("The SQL")).to_contain_text("SET LOCAL session_replication_role = replica")
    changed = card.locator(".tamper-changed")
    expect(changed).to_contain_text("330")
    expect(changed).to_contain_text("3300")
    outside = step(card, "An outsider")
    expect(outside).to_contain_text("The receipt from before is valid", timeout=SOON)
    expect(outside).to_contain_text("is not valid: the proof does not lead to the checkpoint")
    expect(step(card, "paycore verify")).to_contain_text(
        re.compile(r"Transaction txn_\w{26} is not what it was when it became leaf \d+ of the log: it was changed"), timeout=SOON
    )
    assert violations_in_both_schemes(page) == []
    card.get_by_role("button", name="Restore the row").click()
    again = step(card, "verified again")
    expect(again.locator(".verdict-good")).to_contain_text("No finding", timeout=SOON)
    expect(changed.get_by_role("cell").last).to_have_text("330")
    assert violations_in_both_schemes(page) == []


def test_a_page_that_opens_meanwhile_shows_it_and_a_killed_api_restores_it(
    page: Page, card: Locator, service: Service, outages: list[str]
) -> None:
    outages += [*KILLED, "Failed to fetch"]
    card.get_by_label("What to change").select_option(label="Rewrite what a payment was for")
    card.get_by_role("button", name="Tamper with it").click()
    expect(card.locator(".tamper-changed")).to_contain_text("Consulting, as agreed")
    page.reload()
    expect(card.locator(".tamper-changed")).to_contain_text("Consulting, as agreed")
    expect(step(card, "paycore verify")).to_contain_text("it was changed", timeout=SOON)
    headers = {"Authorization": f"Bearer {service.token('admin')}"}
    httpx.post(f"{service.url}/demo/break", json={"what": "api"}, headers=headers).raise_for_status()
    # The row is restored before the API answers again. The page sees that by itself.
    expect(step(card, "verified again").locator(".verdict-good")).to_contain_text("No finding", timeout=SOON)
    expect(card.get_by_role("button", name="Tamper with it")).to_be_enabled(timeout=SOON)
