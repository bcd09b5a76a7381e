"""Untrusted text made visible: nothing in it can act on the page, nothing stays hidden. Texts cut, numbers as text."""

import json
import math
from typing import Any

from nlparam.corpus.corpus import text_digest, whole_characters

# Stands where a figure is missing.
DASH = "\u2013"

# Embeddings, overrides and isolates can show a sentence in another order than it is stored in. Marks for direction
# (U+200E, U+200F) and joiners stay: Arabic, Hebrew, Indic scripts and emoji need them.
_BIDIRECTIONAL = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_CONTROL = [code for code in [*range(0x20), *range(0x7F, 0xA0)] if chr(code) not in "\t\n"]
_SHOWN = {code: f"[U+{code:04X}]" for code in [*_CONTROL, *_BIDIRECTIONAL, 0xFFFE, 0xFFFF]}
_ESCAPED = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
_SHOWN |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def visible(text: str) -> str:
    """Replaces control characters, and the invisible ones that reorder text, by their code points.

    ```python
    visible("\\x1b[31mred")  # "[U+001B][31mred"
    ```
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_SHOWN)


def text_key(text: str) -> str:
    """The name of a text on a page: what is marked has it, whatever of the text is shown."""
    return text_digest(whole_characters(text).strip())[:20]


def folded(text: str) -> str:
    """The text without empty lines and with at most three line breaks, so that many fit on a screen."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return "\n".join([*lines[:3], " ".join(lines[3:])]).strip()


def excerpt(text: str, length: int) -> str:
    """The beginning of a text, folded, and cut between words to at most `length` characters with an ellipsis."""
    text = folded(text)
    if len(text) <= length:
        return text
    head = text[: length - 1]
    words = head.rsplit(None, 1)
    # One very long "word" (base64, a URL) is cut inside.
    return (words[0] if len(words) == 2 and len(words[0]) > length // 2 else head).rstrip() + "…"


def as_json(value: Any) -> str:
    """JSON that can stand in an HTML `script` element: no `<`, `>` or `&`, and no line separator.

    Letters of other alphabets stay as they are, which takes a third of the bytes of their escapes.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPED)


def duration(seconds: float) -> str:
    """A time in the units a person would use."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def loss_figure(loss: float) -> str:
    """A loss as text; a dash for one that is not finite."""
    return f"{loss:.6g}" if math.isfinite(loss) else DASH
