"""Each page in other locales, at 320 px (1280 px at 400 % zoom), with reduced motion, and by keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.axe import violations
from tests.browser.service import Service
from tests.browser.test_looks import PAGES, open_page
from tests.browser.window import Watched

_SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_UNREACHABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")].filter((control) => {
  const isShown = control.checkVisibility({ visibilityProperty: true }) && !control.disabled;
  const isOneOfRadios = control.type === "radio";
  return isShown && !isOneOfRadios && (control.tabIndex < 0 || control.closest("[inert]") !== null);
}).map((control) => control.outerHTML.slice(0, 120))"""
"""Controls that are shown, but that Tab does not reach."""


@pytest.mark.parametrize("locale", ["de-DE", "ja-JP", "ar-EG"])
def test_each_page_is_whole_in_a_locale_at_400_percent_and_by_keyboard(browser: Browser, service: Service, locale: str) -> None:
    context = browser.new_context(
        base_url=service.url,
        bypass_csp=True,
        viewport={"width": 320, "height": 640},
        locale=locale,
        reduced_motion="reduce",
    )
    context.set_default_timeout(20_000)
    watched = Watched(context, service.url)
    page = context.new_page()
    found = {}
    for name in PAGES:
        open_page(page, service, name)
        found[name] = {
            "sideways": page.evaluate(_SIDEWAYS),
            "unreachable": page.evaluate(_UNREACHABLE),
            "axe": violations(page),
        }
    context.close()
    assert found == {name: {"sideways": 0, "unreachable": [], "axe": []} for name in PAGES}
    assert (watched.errors, watched.strangers) == ([], [])
