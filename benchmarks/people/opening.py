"""How long the page of a tree of 100 nodes and 100,000 texts takes: to its first paint, to the effect of an edit."""

import contextlib
import functools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.people import NotMeasuredError
from benchmarks.report import chromium
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
