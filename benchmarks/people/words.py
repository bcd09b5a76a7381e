"""How much there is to read: the words of the README and of the pages in `docs/`, without code and comments."""

import json
import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_CODE = re.compile(r"^[ \t]*(```+|~~~+).*?^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def words_in_docs() -> int:
    """Prints the five longest pages."""
    pages = [_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))]
    words = {str(page.relative_to(_ROOT)): n_words(page.read_text(encoding="utf-8")) for page in pages}
    print(json.dumps({"longest": dict(sorted(words.items(), key=lambda one: -one[1])[:5]), "pages": len(words)}))
    return sum(words.values())


def n_words(page: str) -> int:
    """The words of a page in Markdown, those of its tables too."""
    return len(re.findall(r"\w\S*", _COMMENT.sub("", _CODE.sub("", page))))
