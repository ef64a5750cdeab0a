"""Reading time on screen: search over all wallets, statements to download, and the wallet as it was."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.axe import AXE
from tests.browser.service import BOB, CAROL, Service, is_live, open_as, shown

EVERYDAY = CAROL.wallets[0].public_id
BOBS = BOB.wallets[0].public_id
_AT = "query($id: ID!, $at: DateTime!) { wallet(id: $id) { balanceAt(at: $at) { balance { amount } sequence } } }"


def test_a_payment_that_was_just_made_is_in_the_search_of_all_wallets(page: Page, service: Service) -> None:
    open_as(page, BOB.display_name, "/activity?q=%3D7.31")
    is_live(page)
    found = page.get_by_role("region", name="Activity of all wallets")
    expect(found.get_by_text("No transactions match")).to_be_visible()
    service.pay("bob", BOBS, EVERYDAY, "7.31")
    row = found.get_by_role("listitem").filter(has_text="−$7.31")
    expect(row).to_contain_text(CAROL.display_name)
    expect(found.locator(".day-subtotals")).to_contain_text("−$7.31")


def test_a_search_that_is_behind_says_until_when_it_has_seen_all(page: Page, service: Service) -> None:
    def lag(route: Route) -> None:
        if "query SearchOwn" not in (route.request.post_data or ""):
            route.continue_()
            return
        answer = route.fetch()
        body = answer.json()
        body["data"]["viewer"]["activity"]["readPosition"]["lagSeconds"] = 60
        route.fulfill(response=answer, json=body)

    page.route("**/graphql", lag)
    open_as(page, BOB.display_name, "/activity")
    expect(page.get_by_text("This has all payments until")).to_be_visible()
    page.unroute("**/graphql")


def test_a_search_with_too_many_words_says_so(page: Page, service: Service) -> None:
    open_as(page, BOB.display_name, "/activity?q=a+b+c+d+e+f+g+h+i")
    expect(page.get_by_role("alert")).to_have_text("A search has at most 8 words.")


def test_a_statement_becomes_ready_and_its_files_are_what_their_sums_say(page: Page, service: Service, tmp_path: Path) -> None:
    wallet = service.open_wallet("carol", "Stated")
    service.pay("carol", EVERYDAY, wallet, "5.00")
    open_as(page, CAROL.display_name, f"/wallets/{wallet}/statements")
    expect(page.get_by_text("No statements yet")).to_be_visible()
    page.get_by_role("radio", name="Until now").check()
    page.get_by_role("button", name="Make the statement").click()
    statement = page.get_by_role("listitem", name="Statement 1")
    for name, ending in (("CSV", "csv"), ("JSON", "json"), ("camt.053", "xml"), ("MT940", ""), ("PDF", "pdf")):
        with page.expect_download() as download:
            statement.get_by_role("button", name=f"Download {name}").click()
        assert download.value.suggested_filename.endswith(ending)
        download.value.save_as(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        expect(statement.get_by_text(hashlib.sha256(content).hexdigest())).to_be_visible()
    # The next one begins where this one ended, which only the form says.
    form = page.get_by_role("form", name="The next statement")
    ended = statement.locator("time").nth(1).get_attribute("datetime")
    assert form.locator("time").get_attribute("datetime") == ended
    form.get_by_role("button", name="Make the statement").click()
    expect(page.get_by_role("listitem", name="Statement 2").or_(page.get_by_role("alert"))).to_be_visible()


def test_the_slider_shows_the_wallet_as_it_was_and_back_to_now(page: Page, service: Service) -> None:
    open_as(page, CAROL.display_name, f"/wallets/{EVERYDAY}")
    is_live(page)
    page.get_by_role("button", name="Time travel").click()
    slider = page.get_by_role("slider", name="Moment")
    expect(slider).to_have_attribute("aria-valuetext", "Now")
    slider.press("PageDown")
    slider.press("ArrowLeft")
    expect(slider).not_to_have_attribute("aria-valuetext", "Now")
    travel = page.get_by_role("region", name="The wallet as it was")
    expect(travel.get_by_text("Final: nothing is backdated")).to_be_visible()
    expect(travel.locator(".travel-answer")).to_have_attribute("aria-busy", "false")
    at = page.evaluate("new Date(document.querySelector('.travel-exact input').value).getTime()")
    moment = datetime.fromtimestamp(at / 1000, UTC).isoformat()
    then = service.ask("carol", _AT, id=EVERYDAY, at=moment)["wallet"]["balanceAt"]
    expect(travel.locator(".travel-balance")).to_contain_text(shown(Decimal(then["balance"]["amount"])))
    # What is shown of now is not beside what was.
    expect(page.get_by_role("region", name="Activity")).to_have_count(0)
    page.get_by_role("button", name="Back to now").click()
    expect(slider).to_have_attribute("aria-valuetext", "Now")
    expect(slider).to_be_focused()
    expect(page.get_by_role("region", name="Activity")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/activity?q=%3E1", "/wallets/{wallet}/statements", "/wallets/{wallet}"])
def test_the_pages_fit_a_small_phone_and_axe_finds_nothing(browser: Browser, service: Service, scheme: str, path: str) -> None:
    # The page's CSP would block the axe script that this test adds.
    context = browser.new_context(
        base_url=service.url,
        bypass_csp=True,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": 320, "height": 640},
        reduced_motion="reduce",
    )
    page = context.new_page()
    open_as(page, CAROL.display_name, path.format(wallet=EVERYDAY))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if path.endswith("{wallet}"):
        page.get_by_role("button", name="Time travel").click()
        page.get_by_role("slider", name="Moment").press("PageDown")
        expect(page.get_by_text("Final: nothing is backdated")).to_be_visible()
    expect(page.locator("main .skeleton")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.add_script_tag(path=AXE)
    results = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert [(found["id"], found["nodes"][0]["html"][:200]) for found in results["violations"]] == []
    context.close()


@pytest.mark.parametrize("path", ["/activity", "/wallets/{wallet}/statements"])
def test_a_page_that_gets_no_answer_says_so_and_goes_on_by_itself(
    page: Page, service: Service, outages: list[str], path: str
) -> None:
    outages.append("ERR_FAILED")
    page.route(
        "**/graphql",
        lambda route: (
            route.abort() if re.search("query (SearchOwn|Statements)", route.request.post_data or "") else route.continue_()
        ),
    )
    open_as(page, CAROL.display_name, path.format(wallet=EVERYDAY))
    expect(page.get_by_text("The service does not answer.").first).to_be_visible()
    page.unroute("**/graphql")
    expect(page.get_by_text("The service does not answer.")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
