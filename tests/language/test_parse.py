import pytest

from nlparam.language.parse import parse_category, parse_predicate, parse_predicates


@pytest.mark.parametrize(
    ("line", "predicate"),
    [
        ('- "mentions a price."', "mentions a price"),
        ("1. The text complains about late delivery", "complains about late delivery"),
        ("Property: is about tax", "is about tax"),
        ("It is about tax", "is about tax"),
        ("it mentions tax", "mentions tax"),
        # What only looks like the beginning of a sentence, or like a refusal, is a predicate.
        ("property taxes", "property taxes"),
        ("answer questions", "answer questions"),
        ("IT support", "IT support"),
        ("it support", "it support"),
        ("category theory", "category theory"),
        ("reports that the app cannot be opened", "reports that the app cannot be opened"),
        ("mentions game scores", "mentions game scores"),
        ("scores a goal", "scores a goal"),
        ("wants none of it", "wants none of it"),
        ("I cannot help with that", None),
        ("Unfortunately, I cannot do this", None),
        ("The text cannot be described", None),
        ("As an AI model, I have no view", None),
        ("Score: 7", None),
        ("None of these", None),
        ("123", None),
        ("x" * 161, None),
    ],
)
def test_one_line(line, predicate):
    assert parse_predicate(line) == predicate


@pytest.mark.parametrize(
    ("output", "predicates"),
    [
        ('["is short", "is long"]', ["is short", "is long"]),
        ('Here they are:\n```json\n[\n  "is short",\n  "is long"\n]\n```', ["is short", "is long"]),
        ('["is short" "is long", "is cut', ["is short", "is long"]),
        ("- is short\n- is long\n- is short", ["is short", "is long"]),
        ("- uses an empty list []\n- asks why", ["uses an empty list []", "asks why"]),
        ('- mentions "[REDACTED]" tokens\n- is long', ['mentions "[REDACTED]" tokens', "is long"]),
        ('[{"property": "is short", "why": "few words"}, {"property": "is \\"long\\""', ["is short", 'is "long']),
        ('```json\n{\n  "1": "is short",\n  "2": "is long"\n}\n```', ["is short", "is long"]),
        ('[\n  {\n    "text": "The text about tax",\n    "objective": "It is about tax"\n  }\n]', []),
        ('- shows code such as { "a": 1 }\n- is long', ['shows code such as { "a": 1 }', "is long"]),
        ("[]", []),
        ("", []),
    ],
)
def test_a_list(output, predicates):
    assert parse_predicates(output) == predicates


def test_a_category():
    assert parse_category("\nProperty damage\nand more") == "Property damage"
    assert parse_category("a sentence that goes on for much too long") is None
