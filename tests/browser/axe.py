"""axe-core finds faults of accessibility in what a page shows now."""

from __future__ import annotations

from functools import cache

from playwright.sync_api import Page

from app.http.dashboard import FRONTEND

AXE = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"


def violations(page: Page) -> list[tuple[str, str]]:
    """What axe finds, of any impact."""
    if page.evaluate("typeof axe") == "undefined":
        # Not a script tag: the page's own CSP would block it.
        page.evaluate(_source())
    # No rule that runs needs the styles' and sounds' files, and to load them takes as long as the rules.
    results = page.evaluate("axe.run(document, { resultTypes: ['violations'], preload: false })")
    return [(violation["id"], violation["nodes"][0]["html"][:200]) for violation in results["violations"]]


def violations_in_both_schemes(page: Page) -> list[tuple[str, str]]:
    """What axe finds in dark and then in light colours."""
    found = []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
        found += violations(page)
    return found


@cache
def _source() -> str:
    return f"{AXE.read_text()};undefined"
