"""Edge cases of the pages: very large balances, many wallets, small windows, wrong addresses, empty lists."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.sync_api import Page, Request, Route, ViewportSize, expect

from tests.browser.service import ALICE, Service, is_live, open_as, sign_in

PHONE: ViewportSize = {"width": 390, "height": 844}
FORTUNE = "9000000000000000.01"
SHOWN_FORTUNE = "$9,000,000,"
"""The start of the formatted fortune, and of any sum that includes it."""
MANY = 60

CUT = """() => [...document.querySelectorAll("data.money")].filter((money) => {
  const own = money.getBoundingClientRect();
  if (own.width === 0) return false;
  for (let box = money.parentElement; box !== null; box = box.parentElement) {
    const { overflowX, contentVisibility, display } = getComputedStyle(box);
    const clips = display !== "inline" && (overflowX !== "visible" || contentVisibility === "auto");
    const { left, right } = box === document.documentElement ? { left: 0, right: innerWidth } : box.getBoundingClientRect();
    if ((clips || box === document.documentElement) && (own.left < left - 1 || own.right > right + 1)) return true;
  }
  return false;
}).map((money) => money.textContent)"""
"""Returns the amounts that the window or a surrounding box cuts off."""


@pytest.fixture(scope="module")
def service(quiet_service: Service) -> Service:
    """The second service: other tests check balances that these fortunes would change."""
    return quiet_service


@pytest.fixture(scope="module")
def fortune(service: Service) -> str:
    """The id of a wallet of Carol's that holds more money than fits on one line of a phone."""
    wallet = open_wallet(service, "carol", "Fortune")
    deposit(service, wallet, FORTUNE)
    return wallet


@pytest.fixture(scope="module")
def rich_alice(service: Service) -> None:
    """Alice's wallet on the first page holds a fortune too."""
    deposit(service, ALICE.wallets[0].public_id, FORTUNE)


@pytest.fixture(scope="module")
def many(service: Service) -> list[str]:
    """The ids of the merchant's wallets, oldest first. They fill more than one page of the API's list."""
    return [open_wallet(service, "merchant", f"Till {number}") for number in range(MANY)]


def deposit(service: Service, wallet: str, amount: str) -> None:
    payment = {"idempotencyKey": str(uuid4()), "walletId": wallet, "amount": {"amount": amount, "currency": "USD"}}
    query = "mutation($input: DepositInput!) { deposit(input: $input) { userErrors { code message } } }"
    assert service.ask("admin", query, input={**payment, "description": "A fortune"})["deposit"]["userErrors"] == []


def newest_transaction(service: Service, wallet: str) -> str:
    query = "query($id: ID!) { wallet(id: $id) { transactions(first: 1) { edges { node { id } } } } }"
    transaction: str = service.ask("admin", query, id=wallet)["wallet"]["transactions"]["edges"][0]["node"]["id"]
    return transaction


def open_wallet(service: Service, subject: str, name: str) -> str:
    query = "mutation($input: OpenWalletInput!) { openWallet(input: $input) { wallet { id } userErrors { code message } } }"
    opened = service.ask(subject, query, input={"idempotencyKey": str(uuid4()), "currency": "USD", "name": name})["openWallet"]
    assert opened["userErrors"] == []
    wallet: str = opened["wallet"]["id"]
    return wallet


@pytest.mark.parametrize("place", ["wallets", "wallet", "send", "transaction", "everyones wallets", "control room"])
def test_a_very_large_amount_is_shown_in_full_on_a_phone(page: Page, service: Service, fortune: str, place: str) -> None:
    paths = {
        "wallets": "/wallets",
        "wallet": f"/wallets/{fortune}",
        "send": f"/send?from={fortune}",
        "transaction": f"/transactions/{newest_transaction(service, fortune)}",
    }
    page.set_viewport_size({"width": 390, "height": 844})
    open_as(
        page,
        "Carol Castillo" if place in paths else "Paycore Support",
        paths.get(place, "/control" if place == "control room" else "/wallets"),
    )
    money = page.locator("data.money", has_text=SHOWN_FORTUNE).first
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        money.scroll_into_view_if_needed()
        expect(money).to_be_visible()
        page.evaluate("document.querySelectorAll('main *').forEach((box) => (box.scrollLeft = 0))")
        assert page.evaluate(CUT) == [], width
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.usefixtures("rich_alice")
def test_a_very_large_balance_is_shown_in_full_on_the_landing_pages_phones(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto("/")
    expect(page.locator("data.money", has_text=SHOWN_FORTUNE).first).to_be_visible()
    assert page.evaluate(CUT) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_wallets_page_shows_every_wallet(page: Page, many: list[str]) -> None:
    open_as(page, "Blue Door Books", "/wallets")
    for wallet in (many[0], many[-1]):
        expect(page.locator(f"a[href='/wallets/{wallet}']")).to_be_visible()


def test_money_can_be_sent_from_every_wallet(page: Page, many: list[str]) -> None:
    open_as(page, "Blue Door Books", f"/send?from={many[0]}")
    expect(page.get_by_label("From")).to_have_value(many[0])
    values = page.get_by_label("From").locator("option").evaluate_all("options => options.map((option) => option.value)")
    assert set(many) <= set(values)


def test_the_control_room_shows_the_totals_and_their_sum_first_on_a_phone(page: Page, fortune: str) -> None:
    page.set_viewport_size(PHONE)
    open_as(page, "Paycore Support", "/control")
    totals = page.get_by_role("region", name="Totals")
    dollars = totals.get_by_role("listitem").filter(has_text="USD")
    expect(dollars.get_by_text("$0.00")).to_be_in_viewport(ratio=1)
    expect(dollars).to_contain_text("$0.00")
    heading = page.get_by_role("heading", level=2).first
    expect(heading).to_have_text("Totals")


def test_cut_the_line_shows_no_verdict_while_a_payment_is_outstanding(page: Page, service: Service) -> None:
    held: list[Route] = []
    is_cut = True

    def hold(route: Route) -> None:
        if is_cut:
            held.append(route)
        else:
            route.continue_()

    page.goto("/break")
    cut = page.get_by_role("region", name="Cut the line")
    expect(cut.get_by_label("Connection: Live")).to_be_visible(timeout=30_000)
    page.route("**/graphql", hold)
    cut.get_by_role("button", name="Start the payments").click()
    verdict = cut.get_by_role("status").filter(has_text="payments sent")
    expect(verdict).to_contain_text("are still on their way")
    expect(verdict).not_to_have_class("verdict verdict-good")
    cut.get_by_role("button", name="Stop the payments").click()
    expect(verdict).to_contain_text("still on")
    expect(verdict).not_to_have_class("verdict verdict-good")
    is_cut = False
    for route in held:
        route.continue_()
    expect(verdict).to_have_class("verdict verdict-good", timeout=60_000)


@pytest.mark.parametrize("signed_in", [True, False])
def test_a_wrong_address_is_a_404_with_a_title_and_a_link_to_the_start(page: Page, signed_in: bool, outages: list[str]) -> None:
    outages.append("404")
    page.goto("/")
    if signed_in:
        sign_in(page, "Alice Ahlgren")
    answer = page.goto("/no/such/page")
    assert answer is not None
    assert answer.status == 404
    expect(page).to_have_title("No such page · Paycore")
    page.get_by_role("main").get_by_role("link", name="To the start").click()
    expect(page).to_have_title("Live · Paycore")


def test_a_date_range_that_ends_before_it_starts_is_explained_and_can_be_swapped(page: Page) -> None:
    open_as(page, "Alice Ahlgren", f"/wallets/{ALICE.wallets[0].public_id}?from=2026-11-20&to=2026-11-10")
    activity = page.get_by_role("region", name="Activity")
    expect(activity).to_contain_text("“From” is after “To”, so no day is left")
    activity.get_by_role("button", name="Exchange the two days").click()
    expect(page).to_have_url(f"{page.url.split('?')[0]}?from=2026-11-10&to=2026-11-20")
    expect(activity).not_to_contain_text("is after")


def test_an_empty_filtered_list_offers_to_show_all(page: Page) -> None:
    open_as(page, "Alice Ahlgren", f"/wallets/{ALICE.wallets[0].public_id}?from=2001-01-01&to=2001-01-02")
    page.get_by_text("No transactions match").locator("..").get_by_role("button", name="Show all").click()
    expect(page.get_by_label("Transactions, newest first")).to_be_visible()


def test_a_user_whose_token_is_refused_can_sign_in_again(page: Page) -> None:
    page.goto("/")
    sign_in(page, "Alice Ahlgren")
    page.route(
        "**/graphql",
        lambda route: route.fulfill(json={"errors": [{"message": "No token.", "extensions": {"code": "UNAUTHENTICATED"}}]}),
    )
    page.goto("/wallets")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.unroute("**/graphql")
    page.get_by_role("button", name="Alice Ahlgren").click()
    expect(page.get_by_role("heading", name="Alice Ahlgren’s wallets")).to_be_visible()


@pytest.mark.parametrize("path", ["/wallets", "/send"])
def test_a_page_requests_the_wallets_once(page: Page, path: str) -> None:
    requests: list[str] = []

    def record(request: Request) -> None:
        if request.url.endswith("/graphql") and "query ViewerWallets" in (request.post_data or ""):
            requests.append(request.post_data or "")

    page.goto("/")
    sign_in(page, "Alice Ahlgren")
    is_live(page)
    page.on("request", record)
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    is_live(page)
    page.wait_for_load_state("networkidle")
    assert len(requests) == 1


@pytest.mark.parametrize("path", ["/", "/wallets", "/control"])
def test_at_400_percent_zoom_no_header_or_navigation_covers_the_page(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 320, "height": 200})
    open_as(page, "Alice Ahlgren", path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.evaluate("scrollTo(0, 600)")
    fixed = page.evaluate("""() => [...document.querySelectorAll("header, nav")].map((bar) => {
      const { top, bottom } = bar.getBoundingClientRect();
      return Math.max(0, Math.min(bottom, innerHeight) - Math.max(top, 0));
    }).reduce((sum, height) => sum + height, 0)""")
    assert fixed == 0
