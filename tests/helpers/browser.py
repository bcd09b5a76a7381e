"""A headless Chromium for tests of pages: Debian's, or the one that NLPARAM_CHROMIUM names."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Nothing that the browser itself would ask of a network, and no sandbox of its own where it runs as root.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
]


def chromium() -> str | None:
    """The path of a Chromium on this machine."""
    named = os.environ.get("NLPARAM_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def launched() -> Iterator[Any]:
    """A browser; skips the test, with the reason, where there is none."""
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or name one in NLPARAM_CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e .[dev]")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One page open in the browser, and everything that went wrong or left it."""

    def __init__(self, browser: Any, path: Path | str, **context: Any):
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._context = browser.new_context(**{"viewport": {"width": 1100, "height": 900}} | context)
        self.page = self._context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda message: self.problems.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.set_default_navigation_timeout(60_000)
        self.page.goto(path if isinstance(path, str) else path.absolute().as_uri())

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def wait_until(self, holds: Callable[[], bool], seconds: float = 60.0) -> None:
        """Waits from outside: the policy of a page forbids Playwright's own way, which evaluates strings."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"waited {seconds} s in vain"
            self.page.wait_for_timeout(30)

    def wait_for_charts(self) -> int:
        """Waits until every chart is drawn, and counts them."""
        self.page.locator("[data-chart]:not([data-drawn])").first.wait_for(state="detached")
        return self.page.locator("[data-chart]").count()


def barriers(browser: Any, path: Path) -> list[tuple]:
    """What axe finds wrong with a page, in its light and in its dark colours; it must have looked at something."""
    found = []
    # The page's own policy lets no other script in, not even this one.
    with Visit(browser, path, bypass_csp=True) as visit:
        for scheme in ("light", "dark"):
            visit.page.emulate_media(color_scheme=scheme)
            visit.wait_for_charts()
            found += violated(visit.page, scheme)
    return found


def violated(page: Any, scheme: str) -> list[tuple]:
    """The same of a page that is open as it is, without a policy of its own."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed: pip install -e .[dev]")
    page.evaluate(axe.AXE_FILE_PATH.read_text(encoding="utf-8"))
    # It describes only the elements that break a rule, which takes most of its time.
    options: dict[str, Any] = {"resultTypes": ["violations"], "selectors": False}
    if dark := scheme == "dark":  # only the colours are others
        options["runOnly"] = ["color-contrast"]
    found = page.evaluate("(options) => axe.run(options)", options)
    assert len(found["passes"]) >= (1 if dark else 20)
    return [(one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["any"][:1]) for one in found["violations"]]
