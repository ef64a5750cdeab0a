"""Each page looks as in its kept picture, light and dark, on a desktop and on a phone, and axe finds nothing on it.

`make pictures` takes the pictures again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.axe import violations
from tests.browser.conftest import running_service
from tests.browser.pictures import MOST_DIFFERENT, Comparison, kept, take
from tests.browser.service import ALICE, BOB, Service
from tests.browser.test_graphiql_page import open_graphiql, run
from tests.browser.test_looks import PAGES, PICTURES, open_page
from tests.browser.window import EMPTY, forget, pause_ambient_payments

KEPT = Path(__file__).parent / "pictures"
FAILED = Path(__file__).parents[2] / "build" / "pictures"
SIZES: dict[str, ViewportSize] = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def service(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of their own, with the seeded history and nothing else."""
    with running_service(tmp_path_factory.mktemp("pictures")) as running:
        yield running


@pytest.fixture(scope="module")
def comparison(browser: Browser) -> Iterator[Comparison]:
    context = browser.new_context()
    yield Comparison(context)
    context.close()


@pytest.fixture(scope="module", params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")], ids="-".join)
def window(request: pytest.FixtureRequest, browser: Browser, service: Service) -> Iterator[tuple[Page, str]]:
    """A page at one size in one colour scheme, and the end of its pictures' names."""
    size, scheme = request.param
    context = browser.new_context(
        base_url=service.url,
        viewport=SIZES[size],
        locale="en-US",
        timezone_id="UTC",
        reduced_motion="reduce",
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,
    )
    context.set_default_timeout(20_000)
    pause_ambient_payments(context)
    yield context.new_page(), f"{size}-{scheme}"
    context.close()


@pytest.fixture
def look(window: tuple[Page, str], service: Service) -> Iterator[tuple[Page, str]]:
    """The same, with nothing kept of an earlier test."""
    page, _ = window
    page.goto(EMPTY)
    forget(page, service.url)
    yield window
    page.mouse.move(-1, -1)


@pytest.mark.parametrize("name", [*PAGES, "missing", "graphiql"])
def test_a_page_looks_as_in_its_picture_and_axe_finds_nothing(
    look: tuple[Page, str], service: Service, comparison: Comparison, name: str
) -> None:
    page, kind = look
    if name == "graphiql":
        open_graphiql(page)
        run(page, "Watch")
        expect(page.get_by_role("region", name="Events").get_by_role("listitem").first).to_be_visible()
        run(page, "Transfer")
        expect(page.locator(".graphiql-response .view-lines")).to_contain_text("COMPLETED")
    elif name == "missing":
        page.goto("/no-such-page")
        expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    else:
        open_page(page, service, name)
    assert violations(page) == []
    actual = take(page)
    if os.environ.get(PICTURES):
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{name}-{kind}.webp").write_bytes(comparison.shrunk(actual))
    expected = kept(KEPT, f"{name}-{kind}")
    assert expected is not None, "no picture of this page is kept: make pictures takes it"
    difference = comparison.difference(expected, actual)
    shown = FAILED / f"{name}-{kind}.png"
    if difference.share > MOST_DIFFERENT:
        FAILED.mkdir(parents=True, exist_ok=True)
        shown.write_bytes(difference.picture)
    assert difference.share <= MOST_DIFFERENT, f"see {shown}: expected, actual, and the difference in red"


@pytest.mark.parametrize("rule", [".card { padding: 0 !important; border: 0 !important }", "h1 { display: none !important }"])
def test_a_broken_stylesheet_is_seen(browser: Browser, service: Service, comparison: Comparison, rule: str) -> None:
    context = browser.new_context(base_url=service.url, viewport=SIZES["desktop"], reduced_motion="reduce", bypass_csp=True)
    pause_ambient_payments(context)
    page = context.new_page()
    open_page(page, service, "send")
    whole = comparison.shrunk(take(page))
    again = comparison.difference(whole, take(page)).share
    page.add_style_tag(content=rule)
    broken = comparison.difference(whole, take(page)).share
    context.close()
    assert again <= MOST_DIFFERENT < broken


def test_other_amounts_and_times_are_no_difference(browser: Browser, service: Service, comparison: Comparison) -> None:
    context = browser.new_context(base_url=service.url, viewport=SIZES["desktop"], reduced_motion="reduce", bypass_csp=True)
    page = context.new_page()
    open_page(page, service, "wallets")
    before = comparison.shrunk(take(page))
    service.pay("alice", ALICE.wallets[0].public_id, BOB.wallets[0].public_id, "7.01")
    open_page(page, service, "wallets")
    after = comparison.difference(before, take(page)).share
    context.close()
    assert after <= MOST_DIFFERENT
