"""GraphiQL, served from the service's own origin under the strict CSP: each example runs without a change."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.service import ALICE, BOB, Service

EXECUTE = re.compile("Execute query")


def run(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=re.compile(f"^{tab}")).click()
    page.wait_for_timeout(400)
    page.get_by_role("button", name=EXECUTE).click()


def open_graphiql(page: Page, path: str = "/graphiql") -> None:
    page.goto(path)
    expect(page.get_by_role("tab", name=re.compile("^Watch"))).to_be_visible(timeout=60_000)
    expect(page.locator(".graphiql-query-editor .view-line").first).to_be_visible(timeout=60_000)


@pytest.mark.parametrize(
    ("tab", "says"),
    [("Transfer", "COMPLETED"), ("Replay", "true"), ("Refusal", "INSUFFICIENT_FUNDS"), ("Transactions", "Everyday")],
)
def test_an_example_runs_without_a_change(page: Page, tab: str, says: str) -> None:
    open_graphiql(page)
    run(page, tab)
    expect(page.locator(".graphiql-response .view-lines")).to_contain_text(says)


def test_the_watch_example_receives_a_payment_made_while_it_runs(page: Page, service: Service) -> None:
    open_graphiql(page)
    run(page, "Watch")
    lines = page.locator(".graphiql-response .view-lines")
    expect(lines).to_contain_text("SNAPSHOT")
    service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, "0.77")
    expect(lines).to_contain_text("ENTRY")
    expect(lines).to_contain_text("0.77")


def test_the_watch_example_says_that_leaving_its_tab_ends_it(page: Page) -> None:
    open_graphiql(page)
    page.get_by_role("tab", name=re.compile("^Watch")).click()
    editor = page.locator(".graphiql-query-editor .view-lines")
    expect(editor).to_contain_text(re.compile(r"GraphiQL.ends.a.subscription.when.its.*tab.is.left", re.DOTALL))


def test_an_operation_in_the_address_opens_in_its_own_tab_as_the_given_user(page: Page) -> None:
    operation = quote(json.dumps({"query": "query Handed { viewer { displayName } }", "variables": {}}))
    open_graphiql(page, f"/graphiql#op={operation}&as=bob")
    run(page, "Handed")
    expect(page.locator(".graphiql-response .view-lines")).to_contain_text("Bob Baker")


def test_a_browser_that_opens_the_graphql_endpoint_is_redirected_to_graphiql(page: Page) -> None:
    page.goto("/graphql")
    expect(page).to_have_url(re.compile("/graphiql$"))
    expect(page.get_by_role("tab", name=re.compile("^Transfer"))).to_be_visible(timeout=60_000)
