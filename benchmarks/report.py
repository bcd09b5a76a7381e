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
import importlib.util
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from nlparam.comparing.records import OUTCOMES as FATES
from nlparam.comparing.records import Estimate, Finding, Group, Share, Units
from nlparam.comparing.result import Comparison
from nlparam.corpus.corpus import Corpus
from nlparam.fitting.records import RESULTS, Agreement, TraceEntry
from nlparam.fitting.result import Fit
from nlparam.models import Clustering
from nlparam.results.records import Judgment
from nlparam.runtime.costs import Costs
from nlparam.taxonomies.records import OUTCOMES, ROOT, STOPS, Node
from nlparam.taxonomies.result import Taxonomy

SIZES = (1_000, 10_000, 100_000)
N_PREDICATES = 10
WORDS = (
    "the a of and to in that it was for on with as market match minister film phone price goal vote actor network firm "
    "team party music software bank player law show screen share club tax award user growth season debate scene data"
)
# Chromium with nothing that it would ask of a network by itself.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
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
    kinds = {"fit": synthetic_fit, "taxonomy": synthetic_taxonomy, "comparison": synthetic_comparison}
    # What is loaded and compiled once, whatever the size.
    for make in kinds.values():
        make(texts[:50]).report()
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, make in kinds.items():
            result = make(texts)
            start = time.perf_counter()
            html = result.report()
            seconds = time.perf_counter() - start
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
    found = shutil.which("chromium") or shutil.which("google-chrome")
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
    """A clustering with random denotations, of which 60 per predicate were judged."""
    rng = np.random.default_rng(0)
    corpus, model = Corpus.from_texts(texts), Clustering(N_PREDICATES)
    predicates = [f"is about {WORDS.split()[17 + k]}" for k in range(N_PREDICATES)]
    denotations = rng.beta(0.4, 1.6, (len(corpus), N_PREDICATES))
    weights = model.fit_weights(jnp.asarray(denotations), None)
    asked = min(60, len(corpus))
    judgments = [
        Judgment(int(text), predicate, float(rng.uniform()))
        for predicate in predicates
        for text in rng.choice(len(corpus), asked, replace=False)
    ]
    return Fit(
        model=model,
        asked_model=model,
        predicates=predicates,
        weights=weights,
        denotations=denotations,
        predictions=np.asarray(model.predict(weights, jnp.asarray(denotations))),
        loss=4.0,
        result=RESULTS.converged,
        corpus=corpus,
        denoter=None,  # type: ignore[arg-type]
        judgments=judgments,
        agreement=[Agreement(asked, 0.9, 0.8, 0.2)] * N_PREDICATES,
        candidates=predicates,
        trace=[TraceEntry("relaxation", 4.1), TraceEntry("selection", 4.0, tuple(predicates))],
        settings={"goal": "what the text is about"},
        versions={},
        costs=Costs(calls=600, judgments_asked=600, seconds={"judge": 100.0}),
    )


def synthetic_taxonomy(texts: list[str]) -> Any:
    """A tree of five by five predicates over texts of a year, whose shares over time are shown."""
    rng, nodes = np.random.default_rng(0), {}
    corpus = Corpus.from_texts(texts)

    def divide(identity: str, members: Any, level: int, **fields: Any) -> None:
        if level == 2:
            stopped = STOPS.none_of_these if fields.get("residual") else STOPS.depth
            nodes[identity] = Node(identity, members=members, stopped=stopped, **fields)
            return
        start = "" if identity == ROOT else f"{identity}."
        ids = [f"{start}{k}" for k in range(1, 6)]
        nodes[identity] = Node(identity, members=members, children=(*ids, f"{start}0"), **fields)
        columns = rng.beta(0.4, 1.2, (len(members), 5))
        for k, child in enumerate(ids):
            held = members[columns[:, k] >= 0.5]
            divide(child, held, level + 1, predicate=f"mentions {child}", parent=identity, denotations=columns[:, k])
        left = 1 - columns.max(axis=1)
        rest = {"predicate": None, "parent": identity, "denotations": left, "residual": True}
        divide(f"{start}0", members[left > 0.5], 2, **rest)

    everything = {"predicate": None, "parent": None, "denotations": np.ones(len(corpus))}
    divide(ROOT, np.arange(len(corpus)), 0, **everything)
    return Taxonomy(
        nodes=nodes,
        corpus=corpus,
        denoter=None,  # type: ignore[arg-type]
        judgments=[],
        result=OUTCOMES.complete,
        settings={"goal": "what the text is about"},
        versions={},
        costs=Costs(),
        stamps=tuple(f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(len(corpus))),
    )


def synthetic_comparison(texts: list[str]) -> Any:
    """Two groups, of which 400 texts were judged for each of twenty predicates."""
    rng = np.random.default_rng(0)
    corpus = Corpus.from_texts(texts)
    n_texts, half, rows = len(corpus), len(corpus) // 2, np.arange(len(corpus))
    judgments = np.full((n_texts, 2 * N_PREDICATES), np.nan)
    judged = rng.choice(n_texts, min(400, n_texts), replace=False)
    judgments[judged] = rng.uniform(size=(len(judged), 2 * N_PREDICATES))
    estimate = Estimate(0.2, 0.03, 0.14, 0.26, 1e-6)
    shares = (Share("before", 0.3, 0.25, 0.35, 200), Share("after", 0.5, 0.45, 0.55, 200))
    return Comparison(
        groups=[Group(name, half, half, half // 2, half // 2, half // 2) for name in ("before", "after")],
        goal="what the text is about",
        findings=[
            Finding(
                f"mentions {k}", FATES.claimed, "It differs.", "after", crude=estimate, p_adjusted=1e-5, shares=shares
            )
            for k in range(2 * N_PREDICATES)
        ],
        corpus=corpus,
        units=Units(rows, (rows >= half).astype(int), rows < 0, rows >= 0),
        judgments=judgments,
        covariates=(),
        confidence=0.95,
        level=0.05,
        correction="bh",
        warnings=[],
        settings={},
        versions={},
        costs=Costs(),
    )


if __name__ == "__main__":
    main()
