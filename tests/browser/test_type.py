"""Type on the pages: our own font, digits of one width, Japanese names, one minus sign."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Response, expect

from app.demo.seed import USERS
from tests.browser.service import ALICE, BOB, MERCHANT, Service, is_live, open_as, sign_in

JAPANESE = re.compile(r"Hiragino|Yu Gothic|Meiryo|Noto Sans (CJK )?JP|IPA|Takao|VL")
"""Fonts that have kana: one of the system's, or our subset of Noto Sans JP."""


def fonts_of(page: Page, selector: str) -> set[str]:
    """The families that the browser painted this element's text with."""
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    node = session.send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
    used = session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
    session.detach()
    return {font["familyName"] for font in used}


def test_the_pages_are_written_with_the_projects_own_font(page: Page) -> None:
    fonts: list[Response] = []
    page.on("response", lambda response: fonts.append(response) if response.url.endswith(".woff2") else None)
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.evaluate("document.fonts.ready.then(() => true)")
    assert fonts_of(page, "h1") == {"Inter"}
    assert [font.header_value("content-type") for font in fonts] == ["font/woff2"]
    assert len(fonts[0].body()) < 30_000


def test_a_japanese_name_is_written_with_a_japanese_font(page: Page) -> None:
    till = MERCHANT.wallets[2]
    assert till.name == "レジ"
    open_as(page, MERCHANT.display_name, f"/wallets/{till.public_id}")
    expect(page.get_by_role("heading", name=till.name)).to_be_visible()
    page.evaluate("document.fonts.ready.then(() => true)")
    (font,) = fonts_of(page, "h1")
    assert JAPANESE.search(font), font


def test_every_name_of_the_demo_can_be_written_with_the_fonts_that_the_pages_bring(page: Page) -> None:
    names = "".join(user.display_name + "".join(wallet.name for wallet in user.wallets) for user in USERS)
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    ranges = page.evaluate(
        """[...document.fonts].filter(({ family }) => !family.includes("Fallback")).map((font) => font.unicodeRange)"""
    )
    spans = [span.removeprefix("U+").split("-") for text in ranges for span in text.split(", ")]
    covered = [(int(span[0], 16), int(span[-1], 16)) for span in spans]
    assert [name for name in names if not any(first <= ord(name) <= last for first, last in covered)] == []


def test_nothing_moves_when_the_font_arrives(page: Page, outages: list[str]) -> None:
    outages.append("ERR_FAILED")
    page.route("**/*.woff2", lambda route: route.abort())
    heights = []
    for _ in range(2):
        page.goto("/")
        heading = page.get_by_role("heading", level=1)
        expect(heading).to_be_visible()
        page.evaluate("document.fonts.ready.then(() => true)")
        heights.append(heading.evaluate("heading => heading.getBoundingClientRect().height"))
        page.unroute("**/*.woff2")
    assert heights[0] == heights[1]


def test_all_digits_of_an_amount_have_one_width(page: Page) -> None:
    open_as(page, ALICE.display_name, "/wallets")
    expect(page.locator("data.money").first).to_be_visible()
    page.evaluate("document.fonts.ready.then(() => true)")
    widths = page.locator("data.money").first.evaluate("""money => [..."0123456789"].map((digit) => {
      money.textContent = digit.repeat(20);
      return Math.round(money.getClientRects()[0].width);
    })""")
    assert len(set(widths)) == 1, widths


@pytest.mark.parametrize("locale", ["en-US", "ja-JP", "de-DE"])
def test_every_negative_amount_has_the_same_minus_sign(page: Page, service: Service, locale: str) -> None:
    context = page.context.browser.new_context(base_url=service.url, locale=locale)  # type: ignore[union-attr]
    service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, "1.00")
    other = context.new_page()
    other.goto("/")
    sign_in(other, "Paycore Support")
    other.goto("/control")
    expect(other.get_by_role("region", name="Totals").get_by_text("−").first).to_be_visible()
    texts = other.locator("data.money").all_inner_texts()
    sign_in(other, ALICE.display_name)
    other.goto(f"/wallets/{ALICE.wallets[0].public_id}")
    is_live(other)
    expect(other.get_by_label("Transactions, newest first").get_by_text("−").first).to_be_visible()
    texts += other.locator("data.money").all_inner_texts()
    context.close()
    assert [text for text in texts if "-" in text] == []
