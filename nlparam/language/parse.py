"""From what a language model wrote to predicates. Unusable output becomes nothing, and the caller counts it."""

import json
import re
import unicodedata

from pydantic import TypeAdapter, ValidationError

MAX_PREDICATE_CHARACTERS = 160

_STRINGS = TypeAdapter(list[str])
_BULLET = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):])\s+")
# "It is about tax" loses its first word; "it support" and "property taxes" do not.
_PREAMBLE = re.compile(
    r"^(?:(?i:(?:property|category|answer|predicate|it)\s*:\s*|(?:the texts?|this text)\s*:?\s+)|[Ii]t (?=[a-z]+s ))"
)
_REFUSAL = re.compile(
    r"^(?:\w+, )?"  # "Unfortunately, I cannot ..."
    r"(?:(?:i apologi[sz]e|i'm sorry|i am sorry|as an ai|i cannot|i can't|cannot|none of)\b|sorry,|scores?\s*[:=\d])",
    re.IGNORECASE,
)
_ARRAY = re.compile(r'\[\s*"')  # brackets that stand in a predicate have no such beginning
_STRING = re.compile(r'"((?:[^"\\\n]|\\["\\/bfnrt])*)"')
# Objects in place of strings: [{"property": "is short", "why": ...}], {"1": "is short"}.
_OBJECT = re.compile(r'^[ \t]*(?:\[\s*)?\{\s*"', re.MULTILINE)
_FIELD = re.compile(rf'"(?:(?:property|predicate)[ _]?\d*|\d+)"\s*:\s*{_STRING.pattern}', re.IGNORECASE)


def parse_predicate(line: str) -> str | None:
    """One predicate from one line, or None: without bullets, quotes, "The text", a full stop or control characters."""
    line = "".join(c for c in line if not unicodedata.category(c).startswith("C"))
    line = _BULLET.sub("", line).strip().strip("\"'`*“”‘’").strip()
    line = _PREAMBLE.sub("", line).strip().strip("\"'`*“”‘’").rstrip(" .;,").strip()
    if not any(c.isalpha() for c in line) or len(line) > MAX_PREDICATE_CHARACTERS or _REFUSAL.search(line):
        return None
    return line


def parse_predicates(output: str) -> list[str]:
    """Distinct predicates from a JSON array of strings, or from one per line where the model ignored the format.

    Of JSON objects it takes the fields that are named property or predicate, or by a number, and nothing else.
    """
    array, end = _ARRAY.search(output), output.rfind("]")
    lines = [line for line in output.splitlines() if not line.lstrip().startswith("```")]
    if array is not None:
        start = array.start()
        try:
            lines = _STRINGS.validate_json(output[start : end + 1])
        except ValidationError:
            # Small models forget a comma, or are cut off before the bracket: read the quoted strings that are there.
            lines = _strings(_STRING, output[start:]) or lines
    elif _OBJECT.search(output) is not None:
        lines = _strings(_FIELD, output)
    predicates = (parse_predicate(line) for line in lines if line.strip())
    return list(dict.fromkeys(p for p in predicates if p is not None))


def _strings(pattern: re.Pattern[str], output: str) -> list[str]:
    """What stands in the JSON strings that a pattern finds."""
    return [json.loads(f'"{written}"') for written in pattern.findall(output)]


def parse_category(output: str, *, max_words: int = 6) -> str | None:
    """A short category from the first line that the model wrote, or None."""
    first = next((line for line in output.splitlines() if line.strip()), "")
    category = parse_predicate(first)
    return category if category is not None and len(category.split()) <= max_words else None
