"""What there is to read: `repr` of a result, what axe finds wrong with its page, how long
the page of a tree of 100 nodes and 100,000 texts takes to its first paint and to the effect of an edit, and the words
of the documentation.
"""

import contextlib
import functools
import importlib.util
import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.people import NotMeasuredError
from benchmarks.report import SYNTHETIC, chromium, synthetic_texts
from nlparam.results.serving.server import serving
from nlparam.taxonomies import editing
from nlparam.taxonomies.yaml_file import written
from tests.helpers.handmade_results import make_taxonomy

N_TEXTS, N_CHILDREN = 100_000, 10


def open_first_paint_seconds() -> float:
    """Seconds from the request to the first contents that Chromium paints."""
    return _measured()["first_paint"]


def open_edit_roundtrip_seconds() -> float:
    """Seconds from the last key to the words of what the edit would do, or from "Do it" to the list: the longer."""
    return max(_measured()["preview"], _measured()["edit"])


@functools.cache
def _measured() -> dict[str, float]:
    with _opened() as address, chromium() as browser:
        if browser is None:
            raise NotMeasuredError("there is no Chromium, or no Playwright: make browser, and the extra dev")
        page = browser.new_page()
        page.goto(address)
        paints = "() => performance.getEntriesByName('first-contentful-paint').map((one) => one.startTime)"
        found = {"first_paint": page.evaluate(paints)[0] / 1000}
        page.locator("#desk-tree button[data-node='1.2']").click()
        began = time.perf_counter()
        page.locator("#desk-field-name").fill("Another name")
        page.locator("#desk-preview", has_text="now Another name").wait_for()
        found["preview"] = time.perf_counter() - began
        began = time.perf_counter()
        page.locator("#desk-form button[type=submit]").click()
        page.locator("#desk-changes li", has_text="now Another name").wait_for()
        found["edit"] = time.perf_counter() - began
    print(json.dumps(found), flush=True)
    return found


@contextlib.contextmanager
def _opened() -> Iterator[Any]:
    tree = make_taxonomy(N_TEXTS, depth=2, n_children=N_CHILDREN)
    with tempfile.TemporaryDirectory() as name, mock.patch.object(editing, "load_or_hint", return_value=tree):
        folder = Path(name)
        (folder / "taxonomy.json").write_text(json.dumps({"settings": {}}), encoding="utf-8")
        (folder / "taxonomy.yaml").write_text(written(tree), encoding="utf-8")
        desk = editing.Editing(folder, who="Ann").desk
        desk.html()  # as the command makes it before it prints the address
        with serving(desk) as address:
            yield address


_ROOT = Path(__file__).resolve().parents[2]
_CODE = re.compile(r"^[ \t]*(```+|~~~+).*?^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def repr_characters() -> int:
    """The longest `repr` of a fit, a tree and a comparison of 2,225 texts of 100 words."""
    texts = synthetic_texts(2_225)
    characters = {name: len(repr(make(texts))) for name, make in SYNTHETIC.items()}
    print(json.dumps(characters))
    return max(characters.values())


def axe_violations() -> int:
    """Violations in the pages of a fit, a tree and a comparison, in light and dark, one for each rule and page.

    axe knows the rules for screen readers and keyboards.
    """
    if importlib.util.find_spec("axe_playwright_python") is None:
        raise NotMeasuredError("axe is not installed: pip install -e .[dev]")
    from tests.helpers.browser import Visit, violated

    texts, found = synthetic_texts(300), 0
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        if browser is None:
            raise NotMeasuredError("there is no Chromium, or no Playwright: make browser, and the extra dev")
        for name, make in SYNTHETIC.items():
            page = Path(folder) / f"{name}.html"
            page.write_text(make(texts).report(), encoding="utf-8")
            for scheme in ("light", "dark"):
                # The page's own policy lets no other script in, not even this one.
                with Visit(browser, page, color_scheme=scheme, bypass_csp=True) as visit:
                    visit.wait_for_charts()
                    rules = [rule for rule, *_ in violated(visit.page, scheme)]
                print(json.dumps({"page": name, "scheme": scheme, "violated": rules}), flush=True)
                found += len(rules)
    return found


def words_in_docs() -> int:
    """The words of the README and of the pages in `docs/`, without code and comments. Prints the five longest pages."""
    pages = [_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))]
    words = {str(page.relative_to(_ROOT)): n_words(page.read_text(encoding="utf-8")) for page in pages}
    print(json.dumps({"longest": dict(sorted(words.items(), key=lambda one: -one[1])[:5]), "pages": len(words)}))
    return sum(words.values())


def n_words(page: str) -> int:
    """The words of a page in Markdown, those of its tables too."""
    return len(re.findall(r"\w\S*", _COMMENT.sub("", _CODE.sub("", page))))
