"""Each page looks as in its kept picture, light and dark, on a desktop and on a phone, and axe finds nothing on it.

`make pictures` takes the pictures again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

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
_MORNING = 10
_FARTHEST_WEST = -12
SIZES: dict[str, ViewportSize] = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def service(chromium: str, seeded_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of their own, with the seeded history and nothing else."""
    with running_service(tmp_path_factory.mktemp("pictures"), seeded_home) as running:
        yield running


def zone_of_the_morning() -> str:
    """Returns a time zone in which it is 10 o'clock now, and the minutes of UTC.

    The seeded history ends when it is made: its days, and so the headings of the lists, depend on the time of day. At 10 the
    newest ten entries of Carol, whose activity is shown, are two hours or more away from a midnight.
    """
    ahead = _MORNING - datetime.now(UTC).hour
    if ahead < _FARTHEST_WEST:
        ahead += 24
    # POSIX counts these zones westwards.
    return f"Etc/GMT{-ahead:+d}"


@pytest.fixture(scope="module")
def comparison(browser: Browser) -> Iterator[Comparison]:
    context = browser.new_context()
    yield Comparison(context)
    context.close()


@pytest.fixture(scope="module", params=SIZES)
def window(request: pytest.FixtureRequest, browser: Browser, service: Service) -> Iterator[tuple[Page, str]]:
    """A page at one size, and the size's name."""
    context = browser.new_context(
        base_url=service.url,
        viewport=SIZES[request.param],
        locale="en-US",
        timezone_id=zone_of_the_morning(),
        reduced_motion="reduce",
        bypass_csp=True,
    )
    context.set_default_timeout(20_000)
    pause_ambient_payments(context)
    yield context.new_page(), request.param
    context.close()


@pytest.fixture(scope="module", params=[*PAGES, "missing", "graphiql"])
def look(request: pytest.FixtureRequest, window: tuple[Page, str], service: Service) -> tuple[Page, str, str]:
    """An open page, its name and its size. It is opened once for both colour schemes, with nothing kept of the last one."""
    page, size = window
    page.goto(EMPTY)
    forget(page, service.url)
    page.mouse.move(-1, -1)
    name: str = request.param
    if name == "missing":
        page.goto("/no-such-page")
        expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    elif name != "graphiql":
        open_page(page, service, name)
    return page, name, size


def run_in_graphiql(page: Page) -> None:
    open_graphiql(page)
    run(page, "Watch")
    expect(page.get_by_role("region", name="Events").get_by_role("listitem").first).to_be_visible()
    run(page, "Transfer")
    expect(page.locator(".graphiql-response .view-lines")).to_contain_text("COMPLETED")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_looks_as_in_its_picture_and_axe_finds_nothing(
    look: tuple[Page, str, str], comparison: Comparison, scheme: Literal["light", "dark"]
) -> None:
    page, name, size = look
    kind = f"{size}-{scheme}"
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    if name == "graphiql":
        # It chooses its colours when it is opened.
        run_in_graphiql(page)
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
