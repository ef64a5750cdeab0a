"""The pages that the tests of looks open, dark mode, and the pictures for the README."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.service import ALICE, BOB, Service, become, is_live
from tests.browser.test_graphiql_page import open_graphiql, run

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PICTURES = "PAYCORE_TEST_PICTURES"
"""If this is set, the pictures in the documentation are taken again."""
SUPPORT = "admin"
PAGES = {
    "landing": ("/", None),
    "sign-in": ("/wallets", None),
    "wallets": ("/wallets", "alice"),
    "wallet": (f"/wallets/{ALICE.wallets[0].public_id}", "alice"),
    "activity": ("/activity", "carol"),
    "statements": (f"/wallets/{ALICE.wallets[0].public_id}/statements", "alice"),
    "transaction": ("/transactions/{transaction}", "alice"),
    "send": ("/send", "alice"),
    "convert": ("/convert", "alice"),
    "checkout": ("/checkout", "alice"),
    "webhooks": ("/webhooks", "alice"),
    "endpoint": ("/webhooks/{endpoint}", "alice"),
    "break": ("/break", "alice"),
    "control": ("/control", SUPPORT),
    "find": ("/find", SUPPORT),
    "user": ("/find/{user}", SUPPORT),
    "operator": (f"/wallets/{ALICE.wallets[0].public_id}", SUPPORT),
}
"""Each page's path, and the subject of the user who opens it. Carol's activity: the others pay between Alice and Bob."""
WITHOUT_WATCH = ("sign-in", "control", "find", "user")
IN_README = ("landing", "wallets", "wallet", "transaction", "send", "break", "control")
_ENDPOINT = "mutation($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }"
_SHOP = {
    "idempotencyKey": "looks",
    "url": "https://shop.example.com/paycore",
    "document": "subscription ($w: ID!) { walletUpdated(walletId: $w) { entry { sequence } } }",
}
_OWNER = "query($id: ID!) { wallet(id: $id) { owner { id } } }"


def open_page(page: Page, service: Service, name: str) -> None:
    """Open a page as its user, and wait until it shows its data."""
    path, subject = PAGES[name]
    become(page, subject)
    page.goto(_address(service, path))
    expect(page.get_by_role("heading").first).to_be_visible()
    expect(page.locator("main .skeleton")).to_have_count(0)
    if name not in WITHOUT_WATCH:
        is_live(page)
    page.wait_for_timeout(200)


def _address(service: Service, path: str) -> str:
    wallet = ALICE.wallets[0].public_id
    if "{transaction}" in path:
        return path.format(transaction=service.pay("alice", wallet, BOB.wallets[0].public_id, "5.00"))
    if path.startswith("/webhooks"):
        # Of a wallet that no other page here moves money of: there are no deliveries.
        variables = json.dumps({"w": ALICE.wallets[1].public_id})
        created = service.ask("alice", _ENDPOINT, input={**_SHOP, "variables": variables})
        return path.format(endpoint=created["createWebhookEndpoint"]["endpoint"]["id"])
    if "{user}" in path:
        return path.format(user=service.ask(SUPPORT, _OWNER, id=wallet)["wallet"]["owner"]["id"])
    return path


def test_the_background_is_dark_in_dark_mode_and_light_in_light_mode(browser: Browser, service: Service) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(base_url=service.url, color_scheme="dark" if scheme == "dark" else "light")
        page = context.new_page()
        page.goto("/")
        expect(page.get_by_role("heading").first).to_be_visible()
        colours[scheme] = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        context.close()
    light, dark = (sum(map(int, colours[scheme].split("(")[1].rstrip(")").split(",")[:3])) for scheme in ("light", "dark"))
    assert (dark < 200, light > 600) == (True, True), colours


def test_the_pictures_of_the_documentation_are_taken(context: BrowserContext, service: Service) -> None:
    if not os.environ.get(PICTURES):
        pytest.skip(f"set {PICTURES}=1 to take them again")
    IMAGES.mkdir(exist_ok=True)
    for _ in range(6):
        service.pay("bob", BOB.wallets[0].public_id, ALICE.wallets[0].public_id, "5.00")
    page = context.new_page()
    for name in IN_README:
        open_page(page, service, name)
        if name == "landing":
            page.get_by_role("button", name="Resume payments").click()
            page.wait_for_timeout(8_000)
            page.get_by_role("button", name="Send $5.00 to Bob").click()
            page.get_by_role("button", name="Send $5.00 to Alice").click()
            page.wait_for_timeout(1500)
        if name == "control":
            page.get_by_role("button", name="Start the traffic").click()
            page.wait_for_timeout(25_000)
            page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")
    open_graphiql(page)
    run(page, "Transfer")
    expect(page.locator(".graphiql-response .view-lines")).to_contain_text("COMPLETED")
    page.screenshot(path=IMAGES / "graphiql.png", animations="disabled")
