"""GraphiQL, served from the service's own origin under the strict CSP: each example runs without a change."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, quote

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.service import ALICE, BOB, Service, sign_in

EXECUTE = re.compile("Execute query")


def run(page: Page, tab: str) -> None:
    tab_of(page, tab).click()
    page.wait_for_timeout(400)
    page.get_by_role("button", name=EXECUTE).click()


def tab_of(page: Page, name: str) -> Locator:
    return page.get_by_role("list", name="Select active operation").get_by_role("button", name=name, exact=True)


def open_graphiql(page: Page, path: str = "/graphiql") -> None:
    page.goto(path)
    expect(tab_of(page, "Watch")).to_be_visible(timeout=60_000)
    expect(page.locator(".graphiql-query-editor .view-line").first).to_be_visible(timeout=60_000)


def test_each_example_runs_without_a_change(page: Page) -> None:
    open_graphiql(page)
    for tab, words in (
        ("Transfer", "COMPLETED"),
        ("Replay", "true"),
        ("Refusal", "INSUFFICIENT_FUNDS"),
        ("Transactions", "Everyday"),
    ):
        expect(page.locator(".graphiql-response .view-lines")).not_to_contain_text(words)
        run(page, tab)
        expect(page.locator(".graphiql-response .view-lines")).to_contain_text(words)


def test_the_watch_example_continues_while_other_tabs_run_and_appends_its_events(page: Page, service: Service) -> None:
    open_graphiql(page)
    run(page, "Watch")
    events = page.get_by_role("region", name="Events")
    expect(events.get_by_role("listitem")).to_have_count(1)
    expect(events).to_contain_text("SNAPSHOT")
    run(page, "Transfer")
    expect(page.locator(".graphiql-response .view-lines")).to_contain_text("COMPLETED")
    expect(events.get_by_role("listitem")).to_have_count(2)
    service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, "0.77")
    expect(events.get_by_role("listitem")).to_have_count(3)
    expect(events.get_by_role("listitem").first).to_contain_text("0.77")
    expect(events).to_contain_text("SNAPSHOT")
    expect(events.get_by_role("status")).to_have_text("Watch is running. Events: 3.")


def test_a_stopped_subscription_receives_no_more_events_and_keeps_those_it_has(page: Page, service: Service) -> None:
    open_graphiql(page)
    run(page, "Watch")
    events = page.get_by_role("region", name="Events")
    expect(events.get_by_role("listitem")).to_have_count(1)
    events.get_by_role("button", name="Stop").click()
    expect(events.get_by_role("status")).to_have_text("Watch has ended. Events: 1.")
    run(page, "Transfer")
    expect(page.locator(".graphiql-response .view-lines")).to_contain_text("COMPLETED")
    expect(events.get_by_role("listitem")).to_have_count(1)


def test_the_newest_100_events_are_kept(page: Page, service: Service) -> None:
    open_graphiql(page)
    run(page, "Watch")
    events = page.get_by_role("region", name="Events")
    expect(events.get_by_role("listitem")).to_have_count(1)
    for _ in range(2):
        service.pay_often("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, 60)
    expect(events.get_by_role("status")).to_have_text("Watch is running. Events: 121; the newest 100 are shown.")
    expect(events.get_by_role("listitem")).to_have_count(100)
    expect(events).not_to_contain_text("SNAPSHOT")


def test_a_refused_subscription_says_why(page: Page) -> None:
    query = "subscription Handed($wallet: ID!) { walletUpdated(walletId: $wallet) { cursor } }"
    operation = quote(json.dumps({"query": query, "variables": {"wallet": BOB.wallets[0].public_id}}))
    open_graphiql(page, f"/graphiql#op={operation}&as=alice")
    page.get_by_role("button", name=EXECUTE).click()
    events = page.get_by_role("region", name="Events")
    expect(events.get_by_role("listitem")).to_contain_text("NOT_FOUND")
    expect(events.get_by_role("status")).to_have_text("Handed has ended. Events: 1.")


def test_the_user_of_a_tab_can_be_changed_and_the_operation_is_then_of_that_users_wallet(page: Page) -> None:
    query = "query Handed($wallet: ID!) { wallet(id: $wallet) { owner { displayName } } }"
    operation = quote(json.dumps({"query": query, "variables": {"wallet": BOB.wallets[0].public_id}}))
    open_graphiql(page, f"/graphiql#op={operation}&as=bob")
    switcher = page.get_by_label("Run as")
    expect(switcher).to_have_value("bob")
    switcher.select_option(label="Carol Castillo")
    expect(switcher).to_have_value("carol")
    page.get_by_role("button", name=EXECUTE).click()
    expect(page.locator(".graphiql-response .view-lines")).to_contain_text("Carol Castillo")
    tab_of(page, "Transfer").click()
    expect(switcher).to_have_value("alice")


@pytest.mark.parametrize("width", [320, 390])
def test_the_panes_are_below_each_other_on_a_phone(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    open_graphiql(page)
    run(page, "Watch")
    events = page.get_by_role("region", name="Events")
    events.get_by_role("listitem").first.scroll_into_view_if_needed()
    expect(events.get_by_role("listitem").first).to_be_in_viewport()
    boxes = [page.locator(part).bounding_box() for part in (".graphiql-query-editor", ".graphiql-response", ".events")]
    tops = [box["y"] for box in boxes if box is not None and box["width"] > width * 0.8]
    assert len(tops) == 3
    assert tops == sorted(tops)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    ("user", "paths"),
    [
        ("Alice Ahlgren", ["/", "/wallets", f"/wallets/{ALICE.wallets[0].public_id}", "/send", "/break"]),
        ("Paycore Support", ["/wallets", "/control"]),
    ],
)
def test_an_operation_that_a_page_opens_in_graphiql_has_only_real_ids(
    page: Page, service: Service, user: str, paths: list[str]
) -> None:
    page.goto("/")
    sign_in(page, user)
    for path in paths:
        page.goto(path)
        links = page.get_by_role("region", name="GraphQL behind this screen").locator("a[href^='/graphiql#']")
        expect(links.first).to_be_attached(timeout=30_000)
        for address in links.evaluate_all("links => links.map((link) => link.getAttribute('href'))"):
            handed = parse_qs(address.split("#")[1])
            operation = json.loads(handed["op"][0])
            ids = re.findall(r'"(wal_[^"]*)"', json.dumps(operation["variables"], ensure_ascii=False))
            assert [wallet for wallet in ids if not re.fullmatch("wal_[0-9a-z]{26}", wallet)] == [], path
            if operation["query"].startswith("query"):
                service.ask(handed["as"][0], operation["query"], **operation["variables"])


def test_an_operation_in_the_address_opens_in_its_own_tab_as_the_given_user(page: Page) -> None:
    operation = quote(json.dumps({"query": "query Handed { viewer { displayName } }", "variables": {}}))
    open_graphiql(page, f"/graphiql#op={operation}&as=bob")
    run(page, "Handed")
    expect(page.locator(".graphiql-response .view-lines")).to_contain_text("Bob Baker")


def test_a_browser_that_opens_the_graphql_endpoint_is_redirected_to_graphiql(page: Page) -> None:
    page.goto("/graphql")
    expect(page).to_have_url(re.compile("/graphiql$"))
    expect(tab_of(page, "Transfer")).to_be_visible(timeout=60_000)
