"""A payment whose answer was lost is sent again with the same key, even if the retries fail."""

from __future__ import annotations

import json

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.axe import violations_in_both_schemes
from tests.browser.service import ALICE, BOB, Service, open_as

NO_TOKEN = {"errors": [{"message": "A valid bearer token is needed.", "extensions": {"code": "UNAUTHENTICATED"}}]}


class LostAnswers:
    """Answers requests for a transfer with UNAUTHENTICATED.

    If `first_pays`, the first request reaches the service and pays, but its answer is lost.
    """

    def __init__(self, page: Page, *, first_pays: bool = True) -> None:
        self.keys: list[str] = []
        self._first_pays = first_pays
        self._page = page
        page.route("**/graphql", self._handle)

    def _handle(self, route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        # The preview of a payment has a key too.
        if not body.get("query", "").startswith("mutation") or "idempotencyKey" not in json.dumps(body.get("variables")):
            route.continue_()
            return
        self.keys.append(body["variables"]["input"]["idempotencyKey"])
        if self._first_pays and len(self.keys) == 1:
            httpx.post(route.request.url, json=body, headers=route.request.headers).raise_for_status()
            route.abort()
        else:
            route.fulfill(json=NO_TOKEN)

    def end(self) -> None:
        """Let all requests through again."""
        self._page.unroute("**/graphql")


@pytest.fixture
def outages() -> list[str]:
    """The console logs an error for the aborted request."""
    return ["ERR_FAILED"]


def test_the_send_page_keeps_the_key_of_a_payment_whose_retry_is_refused(page: Page, service: Service) -> None:
    receiver = BOB.wallets[0].public_id
    before = credits_of(service, receiver, "7.77")
    fill_in_payment_to_bob(page, "7.77")
    lost = LostAnswers(page)
    page.get_by_role("button", name="Send $7.77").click()
    outcome = page.get_by_label("This payment")
    expect(outcome).to_contain_text("A valid bearer token is needed")
    expect(outcome).to_contain_text("not known yet")
    assert violations_in_both_schemes(page) == []
    assert len(set(lost.keys)) == 1
    lost.end()
    page.reload()
    expect(page.get_by_label("This payment")).to_contain_text("Replayed")
    assert credits_of(service, receiver, "7.77") == before + 1


def test_a_payment_that_was_made_stays_made_if_a_repeat_of_its_request_is_refused(page: Page, service: Service) -> None:
    receiver = BOB.wallets[0].public_id
    before = credits_of(service, receiver, "6.66")
    fill_in_payment_to_bob(page, "6.66")
    page.get_by_role("button", name="Send $6.66").click()
    outcome = page.get_by_label("This payment")
    expect(outcome).to_contain_text("See the life of this transfer")
    lost = LostAnswers(page, first_pays=False)
    outcome.get_by_text("Developer").click()
    page.get_by_role("button", name="Send the same request again").click()
    expect(outcome).to_contain_text("A valid bearer token is needed")
    expect(outcome).not_to_contain_text("Not sent")
    lost.end()
    page.reload()
    expect(page.get_by_label("This payment")).to_contain_text("Replayed")
    assert credits_of(service, receiver, "6.66") == before + 1


def test_a_phone_repeats_a_payment_with_an_unknown_outcome_instead_of_making_a_second_one(page: Page, service: Service) -> None:
    receiver = BOB.wallets[0].public_id
    page.goto("/")
    phone = page.get_by_label("Alice Ahlgren's phone")
    send = phone.get_by_role("button", name="Send $5.00 to Bob")
    expect(send).to_be_enabled()
    before = credits_of(service, receiver, "5.00")
    lost = LostAnswers(page)
    send.click()
    expect(phone).to_contain_text("It is not known whether this was sent")
    assert violations_in_both_schemes(page) == []
    lost.end()
    page.reload()
    send.click()
    expect(phone).to_contain_text("This was your earlier payment")
    assert credits_of(service, receiver, "5.00") == before + 1
    send.click()
    expect(phone.get_by_text("This was your earlier payment")).to_have_count(0)


def fill_in_payment_to_bob(page: Page, amount: str) -> None:
    open_as(page, "Alice Ahlgren", f"/send?from={ALICE.wallets[0].public_id}")
    page.get_by_role("radio", name="Another wallet").check()
    page.get_by_label("The wallet’s id").fill(BOB.wallets[0].public_id)
    page.get_by_role("button", name="Yes, send to Bob Baker").click()
    page.get_by_label("Amount").fill(amount)


def credits_of(service: Service, wallet_id: str, amount: str) -> int:
    """Count the credits of this amount among all entries of the wallet, which other tests pay into as well."""
    query = """query($id: ID!, $after: String) { wallet(id: $id) { entries(first: 100, after: $after) {
        edges { node { direction amount { amount } } } pageInfo { hasNextPage endCursor } } } }"""
    counted, after, more = 0, None, True
    while more:
        page = service.ask("admin", query, id=wallet_id, after=after)["wallet"]["entries"]
        counted += sum(edge["node"] == {"direction": "CREDIT", "amount": {"amount": amount}} for edge in page["edges"])
        more, after = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
    return counted
