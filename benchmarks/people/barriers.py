"""What axe, which knows the rules for screen readers and keyboards, finds wrong with the pages."""

import importlib.util
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.people import NotMeasuredError
from benchmarks.report import chromium, synthetic_comparison, synthetic_fit, synthetic_taxonomy, synthetic_texts

_N_TEXTS = 300


def axe_violations() -> int:
    """Violations in the pages of a fit, a tree and a comparison, in light and dark, one for each rule and page."""
    if importlib.util.find_spec("axe_playwright_python") is None:
        raise NotMeasuredError("axe is not installed: pip install -e .[dev]")
    texts = synthetic_texts(_N_TEXTS)
    made = {"fit": synthetic_fit, "taxonomy": synthetic_taxonomy, "comparison": synthetic_comparison}
    found = 0
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        if browser is None:
            raise NotMeasuredError("there is no Chromium, or no Playwright: make browser, and the extra dev")
        for name, make in made.items():
            page = Path(folder) / f"{name}.html"
            page.write_text(make(texts).report(), encoding="utf-8")
            for scheme in ("light", "dark"):
                rules = violated(browser, page.absolute().as_uri(), scheme)
                print(json.dumps({"page": name, "scheme": scheme, "violated": rules}), flush=True)
                found += len(rules)
    return found


def violated(browser: Any, address: str, scheme: str) -> list[str]:
    """The rules that a page breaks."""
    from axe_playwright_python.base import AXE_FILE_PATH

    # The page's own policy lets no other script in, not even this one.
    context = browser.new_context(color_scheme=scheme, bypass_csp=True, viewport={"width": 1100, "height": 900})
    try:
        page = context.new_page()
        page.goto(address)
        page.locator("[data-chart]:not([data-drawn])").first.wait_for(state="detached")
        page.evaluate(AXE_FILE_PATH.read_text(encoding="utf-8"))
        return [rule["id"] for rule in page.evaluate("() => axe.run()")["violations"]]
    finally:
        context.close()
