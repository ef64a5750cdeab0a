"""The chart on a wallet's page: ranges, crosshair, live payments, older balances, and what stands beside the line."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser.axe import AXE
from tests.browser.service import ALICE, CAROL, Service, is_live, open_as

SOURCE = CAROL.wallets[0].public_id

HEIGHT_OF_LINE = """canvas => {
  const { width, height } = canvas;
  const accent = document.createElement("span");
  accent.style.color = "var(--accent)";
  document.body.append(accent);
  const [red, green, blue] = getComputedStyle(accent).color.match(/\\d+/g).map(Number);
  accent.remove();
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const rows = new Set();
  for (let at = 0; at < data.length; at += 4) {
    const isLine = Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue) < 12;
    if (isLine && data[at + 3] > 200) rows.add(Math.floor(at / 4 / width));
  }
  return rows.size === 0 ? 0 : (Math.max(...rows) - Math.min(...rows)) / height;
}"""
"""Returns the part of the canvas's height that the line uses."""


@pytest.fixture(scope="module")
def service(quiet_service: Service) -> Service:
    """The second service, so that no other test pays into these wallets."""
    return quiet_service


@pytest.fixture
def wallet(service: Service) -> str:
    """A new wallet of Carol's with the balances $50.00, $80.00 and $60.00."""
    opened = service.open_wallet("carol", "Charted")
    service.pay("carol", SOURCE, opened, "50.00")
    service.pay("carol", SOURCE, opened, "30.00")
    service.pay("carol", opened, SOURCE, "20.00")
    return opened


@pytest.fixture
def open_chart(page: Page) -> Callable[[str], Locator]:
    def open_page(wallet: str) -> Locator:
        open_as(page, "Carol Castillo", f"/wallets/{wallet}")
        is_live(page)
        chart = page.get_by_role("figure", name="Balance over time")
        expect(chart.locator("canvas")).to_be_visible()
        return chart

    return open_page


def crosshair(chart: Locator) -> Locator:
    return chart.get_by_role("slider", name="Balance over time")


def press(chart: Locator, *keys: str) -> None:
    for key in keys:
        crosshair(chart).press(key)


def test_the_arrow_keys_move_the_crosshair_through_the_balances(open_chart: Callable[[str], Locator], wallet: str) -> None:
    chart = open_chart(wallet)
    press(chart, "Home")
    expect(crosshair(chart)).to_have_attribute("aria-valuetext", re.compile(r"^\$50\.00 · .*\d"))
    expect(chart.locator(".chart-readout")).to_have_text(re.compile(r"^\$50\.00 · "))
    press(chart, "End")
    expect(crosshair(chart)).to_have_attribute("aria-valuetext", re.compile(r"^\$60\.00 · "))
    before = int(crosshair(chart).get_attribute("aria-valuenow") or "")
    press(chart, "PageDown")
    assert int(crosshair(chart).get_attribute("aria-valuenow") or "") < before
    press(chart, "Escape")
    expect(crosshair(chart)).to_have_attribute("aria-valuetext", "+$60.00 since the first payment")


def test_the_pointer_shows_the_balance_and_the_time_under_it(
    page: Page, open_chart: Callable[[str], Locator], wallet: str
) -> None:
    chart = open_chart(wallet)
    readout = chart.locator(".chart-readout")
    expect(readout).to_have_text("+$60.00 since the first payment")
    box = chart.locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 20)
    expect(readout).to_have_text(re.compile(r"^\$60\.00 · "))
    page.mouse.move(box["x"] + 5, box["y"] - 60)
    expect(readout).to_have_text("+$60.00 since the first payment")


def test_the_chart_of_a_new_wallet_says_that_it_starts_with_the_first_payment(
    open_chart: Callable[[str], Locator], service: Service
) -> None:
    chart = open_chart(service.open_wallet("carol", "New"))
    expect(chart.locator(".chart-readout")).to_have_text("No payment yet")
    expect(chart.locator("figcaption")).to_contain_text("The line starts with the first payment.")


def test_a_new_payment_extends_the_line(open_chart: Callable[[str], Locator], service: Service, wallet: str) -> None:
    chart = open_chart(wallet)
    summary = chart.locator("figcaption")
    expect(summary).to_contain_text("to $60.00 now")
    service.pay("carol", SOURCE, wallet, "40.00")
    expect(summary).to_contain_text("to $100.00 now")
    expect(summary).to_contain_text("highest $100.00")
    press(chart, "End")
    expect(crosshair(chart)).to_have_attribute("aria-valuetext", re.compile(r"^\$100\.00 · "))


def test_a_range_starts_with_the_balance_that_the_wallet_had_then(open_chart: Callable[[str], Locator], service: Service) -> None:
    everyday = CAROL.wallets[0].public_id
    chart = open_chart(everyday)
    chart.get_by_role("button", name="the last 7 days").click()
    expect(chart.get_by_role("button", name="the last 7 days")).to_have_attribute("aria-pressed", "true")
    expect(chart.get_by_role("button", name="the last 30 days")).to_have_attribute("aria-pressed", "false")
    press(chart, "Home")
    expect(crosshair(chart)).to_have_attribute("aria-valuenow", "0")
    # The newest entry before the hour in which the range starts, read from the API.
    query = (
        """query($id: ID!) { wallet(id: $id) { entries(first: 100) { edges { node { createdAt balanceAfter { amount } } } } } }"""
    )
    entries = [edge["node"] for edge in service.ask("carol", query, id=everyday)["wallet"]["entries"]["edges"]]
    start = chart.page.evaluate(
        "(() => { const at = new Date(); at.setDate(at.getDate() - 7); at.setMinutes(0, 0, 0); return at.toISOString(); })()"
    )
    balance = next(entry["balanceAfter"]["amount"] for entry in entries if entry["createdAt"] < start)
    expect(crosshair(chart)).to_have_attribute("aria-valuetext", re.compile("^" + re.escape(f"${Decimal(balance):,.2f} · ")))


def test_a_small_change_of_the_balance_looks_small(open_chart: Callable[[str], Locator], service: Service) -> None:
    pennies = service.open_wallet("carol", "Pennies")
    service.pay("carol", SOURCE, pennies, "50.00")
    service.pay_often("carol", pennies, SOURCE, 99)
    chart = open_chart(pennies)
    expect(chart.locator("figcaption")).to_contain_text("Lowest $49.01, highest $50.00. Zero is not on the scale.")
    height = chart.locator("canvas").evaluate(HEIGHT_OF_LINE)
    assert 0.05 < height < 0.35


def test_balances_before_the_newest_hundred_entries_are_those_at_the_ends_of_periods(
    page: Page, open_chart: Callable[[str], Locator], service: Service
) -> None:
    busy = service.open_wallet("carol", "Busy")
    service.pay("carol", SOURCE, busy, "50.00")
    for _ in range(2):
        service.pay_often("carol", busy, SOURCE, 110)
    chart = open_chart(busy)
    for name in ("the last 30 days", "all time"):
        chart.get_by_role("button", name=name).click()
        expect(chart.locator("figcaption")).to_contain_text("to $47.80 now")
        expect(chart.locator("figcaption")).to_contain_text("the line has the balance at the end of each hour")


def test_older_balances_that_cannot_be_loaded_are_missed_honestly_and_can_be_loaded_again(
    page: Page, open_chart: Callable[[str], Locator], service: Service
) -> None:
    busy = service.open_wallet("carol", "Unlucky")
    service.pay("carol", SOURCE, busy, "50.00")
    service.pay_often("carol", busy, SOURCE, 120)

    def refuse(route: Route) -> None:
        if "query Balances" in (route.request.post_data or ""):
            route.fulfill(json={"errors": [{"message": "No.", "extensions": {"code": "INTERNAL"}}]})
        else:
            route.continue_()

    page.route("**/graphql", refuse)
    chart = open_chart(busy)
    expect(chart.locator("figcaption")).to_contain_text("older balances could not be loaded")
    expect(chart.locator(".chart-readout")).to_contain_text("since")
    page.unroute("**/graphql")
    chart.get_by_role("button", name="Try again").click()
    expect(chart.locator("figcaption")).to_contain_text("the balance at the end of each hour")


def test_the_chart_has_its_balances_in_a_table_too(open_chart: Callable[[str], Locator], wallet: str) -> None:
    chart = open_chart(wallet)
    chart.get_by_text("Balances as a table").click()
    table = chart.get_by_role("table", name="Each change of the balance, newest first")
    amounts = table.locator("td.number")
    expect(amounts).to_have_text(["$60.00", "$80.00", "$50.00"])


@pytest.mark.parametrize("locale", ["de-DE", "ja-JP", "ar-EG"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_chart_fits_a_small_phone_and_axe_finds_nothing(browser: Browser, service: Service, locale: str, scheme: str) -> None:
    # The page's CSP would block the axe script that this test adds.
    context = browser.new_context(
        base_url=service.url,
        bypass_csp=True,
        locale=locale,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": 320, "height": 640},
        reduced_motion="reduce",
    )
    page = context.new_page()
    open_as(page, "Alice Ahlgren", f"/wallets/{ALICE.wallets[2].public_id}")
    chart = page.get_by_role("figure", name="Balance over time")
    chart.get_by_role("button", name="the last 90 days").click()
    press(chart, "ArrowLeft", "ArrowLeft")
    chart.get_by_text("Balances as a table").click()
    expect(chart.get_by_role("table")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert chart.locator("canvas").evaluate(HEIGHT_OF_LINE) > 0.1
    page.add_script_tag(path=AXE)
    results = page.evaluate("axe.run('figure.chart', { resultTypes: ['violations'] })")
    assert [(violation["id"], violation["nodes"][0]["html"][:200]) for violation in results["violations"]] == []
    context.close()
