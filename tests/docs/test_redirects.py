"""Former addresses of the documentation, as the hook of the site makes them."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def hook():
    spec = importlib.util.spec_from_file_location("redirects", DOCS / "hooks" / "redirects.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_former_addresses_lead_to_pages_that_are_there(hook):
    pages = [path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")]
    found = hook.redirects(pages)
    assert 'url=how-to/report.html"' in found["report.html"]
    assert 'url=../reference/models/clustering.html"' in found["models/clustering.html"]
    assert 'url=how-to/language-models.html#vllm"' in found["vllm.html"]
    assert not found.keys() & set(pages)
    assert len(found) == len(pages) - len(["index.html", "changelog.html"]) + len(["vllm.html"])


def test_sections_hold_what_has_moved(hook):
    assert {path.name for path in DOCS.iterdir() if path.is_dir()} == {*hook.SECTIONS, "hooks", "stylesheets"}
