"""What there is to read: `repr` of a result, what axe finds wrong with its page, and the words of the documentation."""

import importlib.util
import json
import re
import tempfile
from pathlib import Path

from benchmarks.people import NotMeasuredError
from benchmarks.report import SYNTHETIC, chromium, synthetic_texts

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
