"""A wallet's activity: days with subtotals, search, periods, chips, the CSV file, the drawer and paying again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.axe import AXE
from tests.browser.service import BOB, MERCHANT, Service, is_live, open_as

SENDER, RECEIVER = MERCHANT.wallets[0].public_id, BOB.wallets[0].public_id


@pytest.fixture(scope="module")
def service(quiet_service: Service) -> Service:
    """The second service, so that no other test changes the sums of today."""
    return quiet_service


@pytest.fixture
def activity(page: Page, service: Service) -> Locator:
    """The activity of the merchant's first wallet after two payments of today."""
    service.pay("merchant", SENDER, RECEIVER, "12.50")
    service.pay("bob", RECEIVER, SENDER, "2.00")
    return open_activity(page)


def open_activity(page: Page) -> Locator:
    open_as(page, MERCHANT.display_name, f"/wallets/{SENDER}")
    is_live(page)
    region = page.get_by_role("region", name="Activity")
    expect(region.get_by_role("listitem").first).to_be_visible()
    return region


def test_transactions_stand_below_their_day_with_subtotals(page: Page, activity: Locator) -> None:
    activity.get_by_role("button", name="Today", exact=True).click()
    today = activity.get_by_role("region", name=re.compile("^Today · "))
    expect(today.get_by_role("listitem").first).to_be_visible()
    amounts = today.locator(".activity-figures data").evaluate_all(
        "all => all.map((each) => [each.textContent[0], Math.round(Number(each.value) * 100)])"
    )
    paid_in = sum(cents for sign, cents in amounts if sign == "+")
    paid_out = sum(cents for sign, cents in amounts if sign == "−")
    subtotals = today.locator(".day-subtotals")
    expect(subtotals).to_contain_text(f"+${paid_in / 100:,.2f}")
    expect(subtotals).to_contain_text(f"−${paid_out / 100:,.2f}")
    expect(subtotals).not_to_contain_text("shown")


@pytest.mark.usefixtures("own_window")
def test_the_oldest_loaded_day_says_that_it_may_have_more(page: Page, service: Service) -> None:
    for _ in range(2):
        service.pay_often("merchant", SENDER, RECEIVER, 60)
    # No row is near the screen, so the list stays at its first page.
    page.add_init_script("window.IntersectionObserver = class { observe() {} disconnect() {} }")
    activity = open_activity(page)
    expect(activity.locator(".day-subtotals").last).to_contain_text("in the 25 shown")


def test_a_search_looks_through_all_entries_and_is_part_of_the_address(page: Page, activity: Locator) -> None:
    search = activity.get_by_label("Search")
    search.fill("nobody of this name")
    expect(activity.get_by_text("No transactions match")).to_be_visible()
    activity.get_by_role("button", name="Show all").click()
    expect(search).to_have_value("")
    search.fill("bob =12.5")
    expect(activity.get_by_role("listitem").first).to_contain_text("Bob Baker")
    expect(activity.get_by_role("listitem").first).to_contain_text("−$12.50")
    expect(page).to_have_url(re.compile(r"\?q=bob"))
    page.reload()
    expect(search).to_have_value("bob =12.5")
    expect(activity.get_by_role("listitem").first).to_contain_text("−$12.50")


def test_a_period_is_a_chip_that_can_be_removed(page: Page, activity: Locator) -> None:
    period = activity.get_by_role("button", name="Last month")
    period.click()
    expect(period).to_have_attribute("aria-pressed", "true")
    expect(page).to_have_url(re.compile(r"from=\d{4}-\d\d-01&to="))
    activity.get_by_role("button", name=re.compile("^Remove the limit")).click()
    expect(period).to_have_attribute("aria-pressed", "false")
    expect(page).not_to_have_url(re.compile("from="))


def test_the_shown_transactions_are_saved_as_csv(page: Page, activity: Locator, tmp_path: Path) -> None:
    activity.get_by_label("Search").fill("bob 12.50")
    # The list of what was found has a status.
    expect(activity.get_by_role("status").filter(has_text=re.compile("entr|there are more"))).to_be_visible()
    count = activity.get_by_role("group", name="Transactions, newest first").get_by_role("listitem").count()
    with page.expect_download() as waiting:
        activity.get_by_role("button", name=re.compile(r"as CSV$")).click()
    waiting.value.save_as(tmp_path / "activity.csv")
    lines = (tmp_path / "activity.csv").read_bytes().decode("utf-8-sig").split("\r\n")
    assert lines[0].startswith("Created (UTC),Transaction,")
    assert len(lines) == count + 2
    assert ",DEBIT,12.50,USD,Bob Baker," in lines[1]


def test_the_drawer_returns_the_focus_and_leads_to_the_full_transaction(page: Page, activity: Locator) -> None:
    row = activity.get_by_role("listitem").first.get_by_role("link")
    row.focus()
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog")
    expect(drawer).to_be_visible()
    expect(drawer.locator(":focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(row).to_be_focused()
    row.click()
    drawer.get_by_role("link", name="Full transaction").click()
    expect(page).to_have_url(re.compile("/transactions/txn_"))


def test_pay_again_opens_the_send_page_with_the_same_payment(page: Page, activity: Locator, service: Service) -> None:
    activity.get_by_label("Search").fill("bob 12.50")
    # The list of what was found has a status.
    expect(activity.get_by_role("status").filter(has_text=re.compile("entr|there are more"))).to_be_visible()
    activity.get_by_role("link", name=re.compile("12.50")).first.click()
    page.get_by_role("dialog").get_by_role("button", name="Pay again").click()
    expect(page.get_by_label("Amount")).to_have_value("12.50")
    expect(page.get_by_label("From")).to_have_value(SENDER)
    before = service.balance(RECEIVER)
    page.get_by_role("button", name="Send $12.50").click()
    expect(page.get_by_label("This payment")).to_contain_text("Sent")
    assert service.balance(RECEIVER) - before == 12.5


@pytest.mark.parametrize("locale", ["en-US", "ar-EG"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_and_the_drawer_fit_a_small_phone_and_axe_finds_nothing(
    browser: Browser, service: Service, locale: str, scheme: str
) -> None:
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
    activity = open_activity(page)
    activity.get_by_text("More filters").click()
    activity.get_by_role("button", name="This month").click()
    expect(activity.get_by_role("listitem").first).to_be_visible()
    page.add_script_tag(path=AXE)
    activity.get_by_role("group", name="Transactions, newest first").get_by_role("link").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    for state in ("drawer", "list"):
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        results = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        assert [(state, found["id"], found["nodes"][0]["html"][:200]) for found in results["violations"]] == []
        page.keyboard.press("Escape")
    context.close()


@pytest.mark.parametrize("path", ["/control", "/wallets"])
def test_an_amount_below_zero_has_a_minus_sign_and_no_hyphen(page: Page, service: Service, path: str) -> None:
    open_as(page, "Paycore Support", path)
    money = page.get_by_role("main").locator("data.money")
    expect(money.filter(has_text="−").first).to_be_visible()
    assert [text for text in money.all_inner_texts() if "-" in text] == []
