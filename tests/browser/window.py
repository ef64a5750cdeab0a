"""The browser window of a test. The tests of a file share one, which is cleaned between them."""

from __future__ import annotations

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, ViewportSize

SIZE: ViewportSize = {"width": 1280, "height": 800}
EMPTY = "/readyz"
"""A page of the service that runs no script and keeps nothing."""


class Watched:
    """Records the console errors of a context's pages (`errors`) and their requests to other origins (`strangers`)."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.errors: list[str] = []
        self.strangers: list[str] = []
        self._origin = origin
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _on_request(self, request: Request) -> None:
        own = (self._origin, self._origin.replace("http", "ws", 1), "data:", "blob:")
        if not request.url.startswith(own):
            self.strangers.append(request.url)


def pause_ambient_payments(context: BrowserContext) -> None:
    """Do what a click on "Pause payments" on the landing page does, in each tab."""
    context.add_init_script("if (location.origin !== 'null') sessionStorage.setItem('paycore.ambient', 'off')")


def forget(page: Page, origin: str) -> None:
    """Delete what the service's pages keep in the browser, from a page of theirs on which no script runs."""
    page.evaluate("sessionStorage.clear()")
    session = page.context.new_cdp_session(page)
    session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    session.detach()


class Window:
    """A window with one tab. To open a new one for each test would double the CPU time of a page's load."""

    def __init__(self, browser: Browser, url: str, *, ambient: bool) -> None:
        self.context = browser.new_context(base_url=url, viewport=SIZE, locale="en-US")
        self.context.set_default_timeout(20_000)
        if not ambient:
            pause_ambient_payments(self.context)
        self.watched = Watched(self.context, url)
        self.page = self.context.new_page()
        self._url = url

    def empty(self) -> bool:
        """End what the last test opened. Returns whether the service answered, so that the window can be used again."""
        try:
            for page in self.context.pages:
                if page is not self.page:
                    page.close()
            self.page.unroute_all(behavior="ignoreErrors")
            self.context.unroute_all(behavior="ignoreErrors")
            self.page.goto(EMPTY)
        except Error:
            return False
        return True

    def clean(self) -> None:
        """Make the window as new, once it is empty. Only the browser's cache of the service's files stays."""
        forget(self.page, self._url)
        self.context.clear_permissions()
        self.page.set_viewport_size(SIZE)
        self.page.emulate_media(media="null", color_scheme="null", reduced_motion="null", forced_colors="null", contrast="null")
        self.page.mouse.move(-1, -1)
        self.watched.errors.clear()
        self.watched.strangers.clear()

    def close(self) -> None:
        """Close it and all its tabs."""
        self.context.close()


class Windows:
    """The window that the tests of a file share."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url
        self._window: Window | None = None

    def open(self, *, ambient: bool) -> Window:
        """A clean window. All tests of a file have the same `ambient`."""
        if self._window is None:
            self._window = Window(self._browser, self._url, ambient=ambient)
        return self._window

    def close(self) -> None:
        """Close the window. The next test gets a new one."""
        if self._window is not None:
            self._window.close()
            self._window = None
