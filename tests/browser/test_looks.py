"""Phone width, dark mode and accessibility (axe) of each page, and the pictures for the README."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.http.dashboard import FRONTEND
from tests.browser.service import ALICE, BOB, Service, is_live, sign_in
from tests.browser.test_graphiql_page import open_graphiql, run

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PICTURES = "PAYCORE_TEST_PICTURES"
"""If this is set, the pictures in the documentation are taken again."""
AXE = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
PAGES = {
    "landing": ("/", None),
    "wallets": ("/wallets", "Alice Ahlgren"),
    "wallet": (f"/wallets/{ALICE.wallets[0].public_id}", "Alice Ahlgren"),
    "transaction": ("/transactions/{}", "Alice Ahlgren"),
    "send": ("/send", "Alice Ahlgren"),
    "break": ("/break", "Alice Ahlgren"),
    "control": ("/control", "Paycore Support"),
}


def open_page(page: Page, service: Service, name: str) -> None:
    path, user = PAGES[name]
    page.goto("/")
    if user is not None:
        sign_in(page, user)
        is_new = name == "transaction"
        page.goto(
            path.format(service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, "5.00") if is_new else "")
        )
    expect(page.get_by_role("heading").first).to_be_visible()
    if user != "Paycore Support":
        is_live(page)
    page.wait_for_timeout(500)


def test_each_page_fits_the_width_of_a_phone(context: BrowserContext, service: Service) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 360, "height": 740})
    widths = {}
    for name in PAGES:
        open_page(page, service, name)
        widths[name] = page.evaluate("document.documentElement.scrollWidth")
    assert {name: width for name, width in widths.items() if width > 360} == {}, "these pages scroll sideways"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_or_critical_violation(browser: Browser, service: Service, scheme: str) -> None:
    # The page's CSP would block the axe script that this test adds.
    context = browser.new_context(
        base_url=service.url, bypass_csp=True, color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    )
    page = context.new_page()
    found = []
    for name in PAGES:
        open_page(page, service, name)
        page.add_script_tag(path=AXE)
        results = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        found += [
            (name, violation["id"], violation["nodes"][0]["html"][:200])
            for violation in results["violations"]
            if violation["impact"] in ("serious", "critical")
        ]
    context.close()
    assert found == []


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
    for name in PAGES:
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
