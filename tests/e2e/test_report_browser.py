"""The reports in a real browser: what a reader does works, nothing leaves the page, no text can act on it."""

import csv
import dataclasses
import re

import numpy as np
import pytest

from nlparam.evals.simulatability.page import NOTHING
from nlparam.fitting.recurrence import Recurrence, Stability
from nlparam.results.page.text import visible
from tests.fitting.page.test_report import HOSTILE
from tests.helpers.browser import Visit, barriers, launched
from tests.helpers.handmade_fit import fit_of, make_fit
from tests.helpers.handmade_results import make_comparison, make_taxonomy, make_update
from tests.helpers.sibling_results import MAKERS, report_of

# How many charts each page has.
CHARTS = {"fit": 2, "times": 4, "taxonomy": 5, "comparison": 1}
CHARTS |= {"simulated": 2, "decomposed": 1, "audited": 4, "guarded": 3, "executed": 3}
PAGES = ["fit", "times", "taxonomy", "comparison"]
SEARCHED = {"simulated": "counterfactuals", "decomposed": "texts", "guarded": "mistakes", "executed": "failures"}
# A line of a megabyte, and letters that stack marks.
EXTREME = ["x" * 1_000_000, "a" + "\u0301" * 500]
EVIL = [*HOSTILE, *EXTREME]
TEXTS = [*EVIL, *(f"Story {i} about a subject and its consequences." for i in range(80))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One page of each kind; all but "times" and "ordinary" made of texts that try to get out."""
    folder = tmp_path_factory.mktemp("pages")
    names, rng = HOSTILE[:4], np.random.default_rng(0)
    settings = {"goal": HOSTILE[0], "lm": HOSTILE[2], HOSTILE[3]: EVIL}
    recurrences = tuple(Recurrence(name, (0, 1), (name, HOSTILE[5]), 0.8, 0.4, True) for name in names)
    fit = make_fit(texts=TEXTS, predicates=names, settings=settings)
    fit = dataclasses.replace(fit, stability=Stability((0, 1), (4.2, 4.3), 0.7, recurrences))
    (folder / "fit.html").write_text(fit.report(), encoding="utf-8")
    times = fit_of("dates")
    values = {name: np.asarray(quantity.values) for name, quantity in times.quantities().items()}
    bands = {name: (value, value - 0.1, value + rng.uniform(0.1, 0.2)) for name, value in values.items()}
    (folder / "times.html").write_text(times.report(posterior=bands), encoding="utf-8")
    taxonomy = make_taxonomy(texts=TEXTS, names=[*HOSTILE, *HOSTILE], settings=settings)
    taxonomy = dataclasses.replace(taxonomy, stamps=tuple(2000 + i % 5 for i in range(len(TEXTS))))
    update = make_update(taxonomy, warnings=HOSTILE)
    taxonomy.report(folder / "taxonomy.html", update=update)
    comparison = make_comparison(texts=TEXTS, groups=(HOSTILE[0], "after"), predicates=HOSTILE[:10], settings=settings)
    comparison.report(folder / "comparison.html")
    for name in MAKERS:
        (folder / f"{name}.html").write_text(report_of(name, HOSTILE), encoding="utf-8")
    (folder / "ordinary.html").write_text(report_of("simulated"), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.mark.parametrize("name", CHARTS)
def test_a_page_opens_without_an_error_and_asks_for_nothing(browser, folder, name):
    with Visit(browser, folder / f"{name}.html") as visit:
        assert visit.wait_for_charts() == CHARTS[name]
        if name in PAGES:
            visit.page.locator("button[data-open=all]").first.click()
        visit.page.mouse.wheel(0, 20_000)
        assert visit.problems == []
        assert visit.requests == [(folder / f"{name}.html").as_uri()]
        assert visit.page.locator(".chart svg").count() == CHARTS[name]
        assert visit.page.locator("iframe, img, [onmouseover], [onfocus], [onerror]").count() == 0
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def words(cells):
    return [" ".join(text.split()) for text in cells.all_inner_texts()]


@pytest.mark.parametrize("name", ["fit", "taxonomy", "comparison"])
def test_hostile_texts_are_read_as_they_are(browser, folder, name):
    with Visit(browser, folder / f"{name}.html") as visit:
        page = visit.page
        for text in HOSTILE:
            # Nothing is lost on the way through the page's data, its script and the document.
            page.locator("#texts-search").fill(visible(text))
            shown = " ".join(visible(text).split())
            visit.wait_until(lambda shown=shown: shown in words(page.locator("#texts-table td.quoted")))
        assert page.locator("h1").inner_text().lower() == visible(HOSTILE[0])
        assert visit.problems == []


@pytest.mark.parametrize("name", SEARCHED)
def test_hostile_texts_in_tables_are_found_and_read_as_they_are(browser, folder, name):
    key = SEARCHED[name]
    with Visit(browser, folder / f"{name}.html") as visit:
        cells = visit.page.locator(f"#table-{key} tbody tr:not([hidden]) td.quoted")
        for text in HOSTILE:
            shown = " ".join(visible(text).split())
            visit.page.locator(f"#search-{key}").fill(shown)
            visit.wait_until(lambda shown=shown: any(shown in cell for cell in words(cells)))
        assert visit.problems == []


def test_rows_are_searched_chosen_sorted_and_paged(browser, folder):
    with Visit(browser, folder / "ordinary.html") as visit:
        page = visit.page
        rows = page.locator("#table-counterfactuals tbody tr:not([hidden])")
        status = page.locator("#status-counterfactuals")
        assert status.inner_text() == "40 rows, 1 to 25 shown"
        assert rows.count() == 25
        page.locator("#next-counterfactuals").click()
        assert (status.inner_text(), rows.count()) == ("40 rows, 26 to 40 shown", 15)
        assert page.locator("#page-counterfactuals").inner_text() == "Page 2 of 2"
        assert page.locator("#next-counterfactuals").is_disabled()
        page.get_by_label("Outcome").select_option(NOTHING)
        assert (status.inner_text(), rows.count()) == ("10 of 40 rows, 1 to 10 shown", 10)
        assert {text.split("\t")[2] for text in rows.all_inner_texts()} == {NOTHING}
        page.locator("#search-counterfactuals").fill("KETTLE")
        visit.wait_until(lambda: rows.count() < 10)
        assert all("kettle" in text for text in rows.all_inner_texts())
        page.locator("#search-counterfactuals").fill("nowhere to be found")
        visit.wait_until(lambda: status.inner_text() == "No row fits.")
        page.locator("#search-counterfactuals").fill("")
        page.get_by_label("Outcome").select_option("")
        visit.wait_until(lambda: rows.count() == 25)
        # Sorting orders what was found, and shows its first page.
        page.locator("#table-counterfactuals thead button", has_text="No.").press("Enter")
        assert page.locator("#table-counterfactuals th[aria-sort]").get_attribute("aria-sort") == "descending"
        numbers = [int(text.split("\t")[0]) for text in rows.all_inner_texts()]
        assert numbers == sorted(numbers, reverse=True)
        assert numbers[0] == 4
        assert visit.problems == []


def numbers(page, heading):
    """The figures of a column of the table of texts, without gaps."""
    column = page.locator("#texts-table thead th").all_inner_texts()
    place = next(at for at, text in enumerate(column) if text.startswith(heading))
    cells = page.locator(f"#texts-table tbody td:nth-child({place + 1})").all_inner_texts()
    return [float(cell.replace(",", "")) for cell in cells if cell != "–"]


def test_texts_are_searched_filtered_and_paged(browser, folder):
    with Visit(browser, folder / "times.html") as visit:
        page, rows = visit.page, visit.page.locator("#texts-table tbody tr")
        status = page.locator("#texts-status")
        assert rows.count() == 25
        status.scroll_into_view_if_needed()  # what is far from the window is not laid out
        visit.wait_until(lambda: status.inner_text() == "400 texts, 1 to 25 shown")
        page.locator("#texts-next").click()
        assert status.inner_text() == "400 texts, 26 to 50 shown"
        assert page.locator("#texts-page").inner_text() == "Page 2 of 16"
        page.locator("#texts-search").fill("STORY 39")
        n_found = sum("39" in str(number) for number in range(400))
        visit.wait_until(lambda: status.inner_text() == f"{n_found} of 400 texts, 1 to {n_found} shown")
        assert page.locator("#texts-next").is_disabled()
        assert {text.lower() for text in page.locator("#texts-table mark").all_inner_texts()} == {"story", "39"}
        page.locator("#texts-search").fill("nowhere to be found")
        page.get_by_text("No text fits.").wait_for()
        page.locator("#texts-search").fill("")
        visit.wait_until(lambda: rows.count() == 25)
        page.locator("#texts-side").select_option("disagree")
        gaps = list(zip(numbers(page, "Denotation"), numbers(page, "Language model"), strict=True))
        assert gaps
        assert all((denotation > 0.5) != (answer > 0.5) for denotation, answer in gaps)
        page.locator("#texts-predicate").select_option("1")
        page.locator("#texts-side").select_option("for")
        assert all(denotation > 0.5 for denotation in numbers(page, "Denotation"))
        assert visit.problems == []


@pytest.fixture(scope="module")
def long_texts(tmp_path_factory):
    """A page of long texts, of which one begins as a formula does."""
    path = tmp_path_factory.mktemp("long") / "report.html"
    texts = ["=1+1", "  @SUM(A1)", *(f"Story {i} {'and on ' * 400} needle{i}" for i in range(30)), "twice", "twice"]
    make_fit(texts=texts, predicates=["=is first", "is second", "is third"]).report(path)
    return path


def test_a_search_finds_what_stands_at_the_end_of_a_long_text(browser, long_texts):
    with Visit(browser, long_texts) as visit:
        page = visit.page
        page.locator("#texts-tool[data-whole]").wait_for()
        page.locator("#texts-search").fill("Needle7")
        visit.wait_until(lambda: page.locator("#texts-table tbody tr").count() == 1)
        assert page.locator("#texts-table tbody tr").get_attribute("data-number") == "9"
        assert page.locator("#texts-table mark").inner_text() == "needle7"
        assert visit.problems == []


def test_the_texts_that_are_found_are_saved_as_a_table_without_formulas(browser, long_texts, tmp_path):
    with Visit(browser, long_texts, accept_downloads=True) as visit:
        page = visit.page
        page.locator("#texts-tool[data-whole]").wait_for()
        with page.expect_download() as download:
            page.locator("#texts-save").click()
        download.value.save_as(tmp_path / "texts.csv")
        assert visit.problems == []
    with (tmp_path / "texts.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 33
    assert not any(value.lstrip().startswith(("=", "@", "+", "-")) for row in rows for value in (*row, *row.values()))
    of = {row["number"]: row for row in rows}
    assert of["0"]["text"] == "'=1+1"
    assert of["2"]["text"].endswith("needle0")
    assert of["32"]["occurs"] == "2"
    assert all(0 <= float(row["2. is second"]) <= 1 for row in rows)


def test_the_map_is_read_by_keys_and_by_mouse(browser, folder):
    with Visit(browser, folder / "times.html") as visit:
        page, said, rows = visit.page, visit.page.locator("#map-said"), visit.page.locator("#texts-table tbody tr")
        page.locator("#map").focus()
        page.keyboard.press("ArrowRight")
        first = said.inner_text()
        assert re.match(r"Text \d+, ", first)
        for key in ("ArrowLeft", "ArrowUp", "ArrowDown", "ArrowRight"):
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        # The table begins with the text that was chosen.
        assert said.inner_text().startswith(f"Text {rows.first.get_attribute('data-number')},")
        assert page.locator("#texts-table th[aria-sort]").count() == 0
        # What the picture shows is said in the list, and each of its names chooses a predicate.
        counts = [
            int(text.split()[0].replace(",", "")) for text in page.locator("#map-corners .muted").all_inner_texts()
        ]
        assert sum(counts) == 400
        page.locator("#map-corners button").nth(1).press("Enter")
        assert page.locator("#texts-predicate").input_value() == "1"
        assert all(denotation > 0.5 for denotation in numbers(page, "Denotation"))
        pixels = "map.getContext('2d').getImageData(0, 0, map.width, map.height).data"
        drawn = page.evaluate(f"() => {pixels}.some(Boolean)")
        assert drawn
        assert visit.problems == []


def test_texts_are_sorted_by_mouse_and_by_keyboard(browser, folder):
    with Visit(browser, folder / "fit.html") as visit:
        page = visit.page
        heading = page.locator("#texts-table th[data-by=denotation]")
        assert heading.get_attribute("aria-sort") == "descending"
        found = numbers(page, "Denotation")
        assert found == sorted(found, reverse=True)
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == "ascending"
        found = numbers(page, "Denotation")
        assert found == sorted(found)
        # The rest by keys alone: the headings follow one another.
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.locator("#texts-table th[aria-sort]").get_attribute("data-by") == "gap"
        found = numbers(page, "Difference")
        assert len(found) == 20
        assert found == sorted(found, reverse=True)
        page.keyboard.press("Space")
        assert page.locator("#texts-table th[aria-sort]").get_attribute("aria-sort") == "ascending"
        found = numbers(page, "Difference")
        assert found == sorted(found)


def test_tables_of_figures_are_sorted_with_what_is_missing_last(browser, folder):
    with Visit(browser, folder / "taxonomy.html") as visit:
        page = visit.page

        def column(number):
            return page.locator(f"#table-nodes tbody td:nth-child({number})").all_inner_texts()

        button = page.locator("#table-nodes thead button", has_text="Coverage")
        for order in ("descending", "ascending"):
            button.press("Enter")
            assert page.locator("#table-nodes th[aria-sort]").get_attribute("aria-sort") == order
            cells = column(7)
            shares = [float(cell.rstrip("%")) for cell in cells if cell != "–"]
            assert shares == sorted(shares, reverse=order == "descending")
            assert 0 < len(shares) < len(cells)
            assert set(cells[len(shares) :]) == {"–"}
        page.locator("#table-nodes thead button", has_text="No.").click()
        ids = column(1)
        assert ids == sorted(ids, key=lambda text: [int(part) for part in text.split(".")])


def test_numbers_of_nodes_are_sorted_part_by_part(browser, tmp_path):
    make_taxonomy(2000, depth=2, n_children=11).report(tmp_path / "report.html")
    with Visit(browser, tmp_path / "report.html") as visit:
        visit.page.locator("#table-nodes thead button", has_text="No.").click()
        ids = visit.page.locator("#table-nodes tbody td:nth-child(1)").all_inner_texts()
        assert ids.index("1.2") < ids.index("1.10") < ids.index("2")
        assert ids == sorted(ids, key=lambda text: [int(part) for part in text.split(".")])


def test_effects_are_sorted_by_value_not_by_wording(browser, folder):
    with Visit(browser, folder / "comparison.html") as visit:
        visit.page.locator("#table-findings thead button", has_text="Effect").click()
        cells = visit.page.locator("#table-findings tbody td[data-value]:nth-child(5)").all_inner_texts()
        effects = [float(cell.split()[0]) for cell in cells]
        assert len(effects) == 6
        assert effects == sorted(effects, reverse=True)


def test_a_link_opens_what_it_leads_to(browser, folder):
    with Visit(browser, folder / "taxonomy.html") as visit:
        target = visit.page.locator("details[id='node-2.1']")
        assert target.get_attribute("open") is None
        visit.page.locator(".tree a[href='#node-2.1']").click()
        target.locator(".sides").wait_for(state="visible")
        visit.page.evaluate("scrollTo(0, 0)")
        visit.page.locator(".icicle a[href='#node-3'] rect").click()
        visit.page.locator("details[id='node-3'] .sides").wait_for(state="visible")


def ground(page):
    return [int(part) for part in re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_follow_the_system_until_the_reader_chooses(browser, folder, scheme):
    with Visit(browser, folder / "fit.html", color_scheme=scheme) as visit:
        page, theme, other = visit.page, visit.page.locator("#theme"), {"light": "dark", "dark": "light"}[scheme]

        def shows(wanted):
            # On a busy machine a colour, or what a page kept, comes some frames later.
            visit.wait_until(lambda: (min(ground(page)) > 200) == (wanted == "light"))

        shows(scheme)
        assert theme.input_value() == ""
        page.get_by_label("Colours").select_option(other)
        shows(other)
        page.reload()
        visit.wait_until(lambda: theme.input_value() == other)
        shows(other)
        page.get_by_label("Colours").select_option("")
        shows(scheme)
        assert visit.problems == []


@pytest.mark.parametrize("name", PAGES)
def test_paper_gets_all_examples_on_white_and_no_buttons(browser, folder, name):
    with Visit(browser, folder / f"{name}.html", color_scheme="dark") as visit:
        page = visit.page
        visit.wait_for_charts()
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert ground(page) == [255, 255, 255]
        assert page.locator("details.predicate:not([open])").count() == 0
        for hidden in ("nav", ".controls", "#theme", ".pages"):
            assert not page.locator(hidden).first.is_visible()
        assert page.locator(".predicate .examples").last.is_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details.predicate[open]").count() == 1
        assert len(page.pdf()) > 20_000


def test_the_keyboard_reaches_the_content_first(browser, folder):
    with Visit(browser, folder / "fit.html") as visit:
        page = visit.page
        page.keyboard.press("Tab")
        skip = page.locator(".skip")
        assert skip.evaluate("(link) => link === document.activeElement")
        assert skip.bounding_box()["x"] >= 0
        # Not only focused but seen to be.
        assert skip.evaluate("(link) => getComputedStyle(link).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("name", CHARTS)
def test_a_telephone_shows_the_page_without_moving_it_sideways(browser, folder, name):
    with Visit(browser, folder / f"{name}.html", viewport={"width": 360, "height": 740}) as visit:
        visit.wait_for_charts()
        for button in visit.page.locator("button[data-open=all]").all()[:1]:
            button.click()
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("name", CHARTS)
def test_axe_finds_no_barrier(browser, folder, name):
    assert barriers(browser, folder / f"{name}.html") == []
