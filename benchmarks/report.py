"""How long reports take to make and to open, and how large they are, as the corpus grows.

`python -m benchmarks.report [--sizes 1000,10000,100000]` makes results of 100-word texts by hand (no language model):
a clustering of ten predicates, a tree of two levels, and a comparison of two groups. Each page is opened in headless
Chromium (`make browser`, and the extra `dev` for Playwright), and it is measured when it can be used: all scripts have
run, the table of texts is filled; then how long a search of the table takes, and when the last chart is drawn.
Without a browser these times are left out.

`python -m benchmarks.report --screenshots DIR FOLDER ...` takes pictures of the reports of results that exist, in light
and dark, for the documentation.
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.commands import timed
from tests.helpers.browser import FLAGS
from tests.helpers.browser import chromium as installed_chromium
from tests.helpers.handmade_fit import make_fit
from tests.helpers.handmade_results import make_comparison, make_taxonomy

SIZES = (1_000, 10_000, 100_000)
N_PREDICATES = 10
WORDS = (
    "the a of and to in that it was for on with as market match minister film phone price goal vote actor network firm "
    "team party music software bank player law show screen share club tax award user growth season debate scene data"
)
MAX_COLOURS = 64


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and size of reports as the corpus grows")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--screenshots", type=Path, metavar="DIR", help="take pictures of the reports of these folders")
    parser.add_argument("folders", nargs="*", type=Path)
    arguments = parser.parse_args()
    if arguments.screenshots is not None:
        print(json.dumps({"screenshots": screenshots(arguments.folders, arguments.screenshots)}))
        return
    sizes = [int(size) for size in arguments.sizes.split(",")]
    print(json.dumps({"report": [measured for size in sizes for measured in measure(size)]}))


def measure(n_texts: int) -> list[dict[str, Any]]:
    """Makes and opens the three kinds of pages for a corpus of this size."""
    texts = synthetic_texts(n_texts)
    # What is loaded and compiled once, whatever the size.
    for make in SYNTHETIC.values():
        make(texts[:50]).report()
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, make in SYNTHETIC.items():
            html, seconds = timed(make(texts).report)
            path = Path(folder) / f"{kind}.html"
            path.write_text(html, encoding="utf-8")
            line = {"kind": kind, "n_texts": n_texts, "build_seconds": round(seconds, 2)}
            line |= {"megabytes": round(path.stat().st_size / 1e6, 2)} | opened(path)
            print(json.dumps(line), flush=True)
            measured.append(line)
    return measured


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser for the block; `None` if there is none, or no Playwright to drive it."""
    found = installed_chromium()
    if found is None or importlib.util.find_spec("playwright") is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


def opened(path: Path) -> dict[str, float]:
    """Seconds until a page can be used, until a search is answered, and until every chart is drawn."""
    with chromium() as browser:
        if browser is None:
            return {}
        # The first page of a browser also pays for its start.
        browser.new_page().goto("about:blank")
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        start = time.perf_counter()
        page.goto(path.absolute().as_uri(), wait_until="domcontentloaded")
        page.locator("#texts-table tbody tr").first.wait_for()
        usable = time.perf_counter() - start
        page.locator("[data-chart]:not([data-drawn])").first.wait_for(state="detached")
        drawn = time.perf_counter() - start
        timing = json.loads(page.evaluate("JSON.stringify(performance.getEntriesByType('navigation')[0])"))
        page.evaluate(
            """() => {
                const field = document.getElementById("texts-search");
                new MutationObserver(() => { window.answered = performance.now(); })
                    .observe(document.getElementById("texts-status"), { childList: true });
                window.asked = performance.now();
                field.value = "minister award";
                field.dispatchEvent(new Event("input"));
            }"""
        )
        while not (answered := page.evaluate("window.answered ? window.answered - window.asked : 0")):
            page.wait_for_timeout(20)
    return {
        "interactive_seconds": round(timing["domContentLoadedEventEnd"] / 1000, 2),
        "usable_seconds": round(usable, 2),
        "charts_seconds": round(drawn, 2),
        "search_seconds": round(answered / 1000, 2),
    }


def screenshots(folders: list[Path], out: Path) -> list[str]:
    """Pictures of the reports in folders, of their beginnings and of their tables of texts, with few colours."""
    from io import BytesIO

    from PIL import Image

    out.mkdir(parents=True, exist_ok=True)
    made = []

    def keep(name: str, picture: bytes) -> None:
        image = Image.open(BytesIO(picture)).convert("RGB").quantize(MAX_COLOURS, dither=Image.Dither.NONE)
        image.save(out / f"{name}.png", optimize=True)
        made.append(f"{name}.png")

    with chromium() as browser:
        if browser is None:
            raise SystemExit("there is no Chromium, or no Playwright: make browser, and the extra dev")
        for folder in folders:
            for scheme in ("light", "dark"):
                page = browser.new_page(color_scheme=scheme, viewport={"width": 1000, "height": 760})
                page.goto((folder / "report.html").absolute().as_uri())
                page.locator("[data-chart]:not([data-drawn])").first.wait_for(state="detached")
                # What there is to see comes after the facts.
                page.locator("main section").first.scroll_into_view_if_needed()
                page.evaluate("document.querySelector('main h2').scrollIntoView()")
                keep(f"{folder.name}-{scheme}", page.screenshot())
                if scheme == "light":
                    # The texts that are most worth reading, where there are such.
                    sides = page.locator("#texts-side")
                    if sides.locator("option[value=judged]").count():
                        sides.select_option("judged")
                        page.locator("#texts-table th[data-by=gap] button").click()
                    page.evaluate("document.getElementById('texts').scrollIntoView()")
                    keep(f"{folder.name}-texts", page.screenshot())
                page.close()
    return made


def synthetic_texts(n_texts: int) -> list[str]:
    """Distinct texts of 100 words."""
    draw, words = random.Random(0), WORDS.split()
    return [f"{number}. {' '.join(draw.choices(words, k=100))}" for number in range(n_texts)]


def synthetic_fit(texts: list[str]) -> Any:
    """A clustering of ten predicates with random denotations."""
    return make_fit(texts=texts, predicates=[f"is about {word}" for word in WORDS.split()[17 : 17 + N_PREDICATES]])


def synthetic_taxonomy(texts: list[str]) -> Any:
    """A tree of five by five predicates over texts of a year, whose shares over time are shown."""
    stamps = tuple(f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(len(texts)))
    return dataclasses.replace(make_taxonomy(texts=texts, n_children=5), stamps=stamps)


def synthetic_comparison(texts: list[str]) -> Any:
    """Two groups, of which 400 texts were judged for each of twenty predicates."""
    made = make_comparison(texts=texts, n_tested=2 * N_PREDICATES, n_dropped=0)
    judged = np.random.default_rng(0).permutation(len(made.judgments))[:, None] < 400
    return dataclasses.replace(made, judgments=np.where(judged, made.judgments, np.nan))


SYNTHETIC = {"fit": synthetic_fit, "taxonomy": synthetic_taxonomy, "comparison": synthetic_comparison}


if __name__ == "__main__":
    main()
