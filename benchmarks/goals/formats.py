"""Parsers of the files that the corpora are read from: strings in, strings out."""

import contextlib
import email
import io
import re
from collections.abc import Iterator


def fortunes(text: str) -> list[str]:
    """The cookies of a fortune file, which stand between lines of a per cent sign."""
    return [cookie.strip() for cookie in re.split(r"(?m)^%+\s*$", text) if cookie.strip()]


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of fields of a Debian control file; a field keeps the line breaks of its continuation."""
    for paragraph in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n", "", text)):
        if fields := dict(email.message_from_string(paragraph.lstrip("\n")).items()):
            yield {name: str(value).strip() for name, value in fields.items()}


def described(value: str) -> str:
    """A description as one reads it: a full stop alone on a line parts paragraphs."""
    lines = [line.strip() for line in value.split("\n")]
    return "\n".join("" if line == "." else line for line in lines).strip()


def tags(value: str) -> dict[str, set[str]]:
    """The facets of a `Tag` field and what is said on each: `role::program, use::editing` ..."""
    found: dict[str, set[str]] = {}
    for tag in value.replace("\n", " ").split(","):
        facet, separator, content = tag.strip().partition("::")
        if separator:
            found.setdefault(facet, set()).add(content)
    return found


def translations(text: str) -> Iterator[tuple[str, str]]:
    """What is translated in a message catalogue (`.po`), and how; fuzzy, obsolete and empty entries are left out."""
    from babel.messages.pofile import read_po

    with contextlib.redirect_stdout(None):  # it prints of plurals that it does not expect
        catalogue = list(read_po(io.BytesIO(text.encode()), ignore_obsolete=True))
    for message in catalogue:
        first = (one if isinstance(one, str) else one[0] for one in (message.id, message.string or ""))
        original, translated = (one.strip() for one in first)
        if original and translated and not message.fuzzy:
            yield original, translated


_FONT = re.compile(r"\\f(?:\[[^\]]*\]|\([A-Z]{2}|.)|\\s[-+]?\d|\\[&/,|^%:c!]|\\m\[[^\]]*\]|\\\*\([a-zA-Z]{2}|\\\*.")
_GLYPHS = (
    ("\\-", "-"), ("\\(aq", "'"), ("\\(dq", '"'), ("\\(em", "—"), ("\\(en", "–"), ("\\(bu", "•"), ("\\ ", " "),
    ("\\~", " "), ("\\(co", "©"), ("\\e", "\\"), ("\\(rs", "\\"), ("\\(ha", "^"), ("\\(ti", "~"), ("\\(lq", "“"),
    ("\\(rq", "”"), ("\\(Fo", "«"), ("\\(Fc", "»"), ("\\(lB", "["), ("\\(rB", "]"), ("\\'", "'"), ("\\`", "`"),
)  # fmt: skip
# Macros whose arguments are words of the page; the lines of all others are left out.
_WORDS = re.compile(r"[.'](?:B|I|SM|SB|BR|BI|IR|RI|IB|RB|SH|SS|SY|OP|Nm|Nd|Fl|Ar|Op|Pa|Xr|Cm|Sh|Ss|Dv|Va|Em|Li)\b")


def manual_page(source: str) -> str:
    """The words of a manual page, about as `man` shows them: roff without its requests and fonts."""
    lines = []
    for line in source.splitlines():
        if line.startswith((".TH ", ".Dt ")):
            words = _arguments(line.split(" ", 1)[1])
            if len(words) > 1:
                lines.append(f"{words[0]}({words[1]}) {' '.join(words[4:5])}".strip())
        elif not line.startswith((".", "'")):
            lines.append(line)
        elif _WORDS.match(line):
            text = " ".join(_arguments(line.split(" ", 1)[1])) if " " in line else ""
            lines.append(f"\n{text}\n" if re.match(r"[.'](SH|SS|Sh|Ss)\b", line) else text)
    text = _FONT.sub("", "\n".join(lines).replace("\\\n", " "))
    for code, glyph in _GLYPHS:
        text = text.replace(code, glyph)
    text = re.sub(r"\\\[u?([0-9A-Fa-f]{4})\]", lambda match: chr(int(match[1], 16)), text)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+", " ", text)).strip()


def _arguments(line: str) -> list[str]:
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', line)]
