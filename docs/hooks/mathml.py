"""Formulas become MathML when the site is built: every browser shows it, offline and without any script."""

import html
import re

from latex2mathml.converter import convert

# What pymdownx.arithmatex leaves, in its generic form, of $...$ and $$...$$.
_FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\(?P<open>[(\[])(?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)


def on_page_content(content: str, **_) -> str:
    """Replaces the formulas of one page; an error in a formula fails the build."""
    return _FORMULA.sub(_mathml, content)


def _mathml(found: re.Match) -> str:
    display = "block" if found["open"] == "[" else "inline"
    formula = convert(html.unescape(found["latex"]).strip(), display=display)
    return f'<{found["tag"]} class="formula">{formula}</{found["tag"]}>'
