"""Executable predicates on corpora with planted lexical properties, and the sandbox against hostile functions.

The same regression is fitted twice, with `executable` off and on. The language model is scripted: it proposes, in
words, the planted properties among others that explain nothing, judges with errors, and writes functions of which some
are wrong. Equal fit: a loss that is no more than 2% (or 0.002) above that without.

With `python -m benchmarks.siblings.executable --lm native` a language model judges and writes the functions.
"""

from typing import Annotated, Any, NamedTuple

import numpy as np

import nlparam
from benchmarks.commands import command, n_judgments
from benchmarks.simulated import erring, with_phrases
from nlparam.denotation.computed.written import Criteria, try_functions, write_functions
from nlparam.denotation.session import Session
from nlparam.models import Regression
from nlparam.runtime.sandbox import run_predicates
from tests.helpers.oracle import LexicalEmbedder

_ERRORS = 0.04
_N_TEXTS, _N_CORPORA = 300, 8
_WORDS = """
the order came on a rainy morning and my neighbour looked at our garden while birds sang near old trees beside a quiet
river people walked home slowly with bread milk apples and flowers under warm light of early spring
"""
_FILLER = _WORDS.split()

# A property: in words, the function that a language model writes for it, and how a text is made to have it.
_PROPERTIES = {
    "asks about a refund": ("'refund' in text.lower() or 'money' in text.lower()", ["refund please", "money back"]),
    "asks a question": ("'?' in text", ["why is that?", "is it so?"]),
    "mentions a price": (r"re.search('[$]\\d', text) is not None", ["$5 paid", "$12 each"]),
    "is enthusiastic": ("'!' in text", ["great!", "what a day!"]),
    "mentions delivery": (
        "any(word in text.lower() for word in ['delivery', 'parcel', 'courier'])",
        ["the delivery", "a parcel", "the courier"],
    ),
    "thanks somebody": ("'thank' in text.lower()", ["thank you", "many thanks"]),
    "mentions a year": (r"re.search('\\b(19|20)\\d\\d\\b', text) is not None", ["in 1998", "since 2014"]),
    "mentions a pet": ("any(w in text.lower().split() for w in ['dog', 'cat', 'rabbit'])", ["dog", "cat", "rabbit"]),
}
_DISTRACTORS = ["is about weather", "mentions food", "describes a walk", "is set in the morning"]
# What is written for the others: it runs, and does not say what the words say.
_WRONG = "len(text) % 2 == 0"


def measure() -> dict:
    """Figures of `benchmarks/siblings`, this system."""
    from benchmarks.siblings._hostile import contained

    rows = [_corpus(seed) for seed in range(_N_CORPORA)]

    def total(name: str) -> float:
        return sum(row[name] for row in rows)

    equal = [row["loss_with"] <= max(1.02 * row["loss_without"], row["loss_without"] + 0.002) for row in rows]
    return {
        "corpora": len(rows),
        "columns_replaced": total("computed") / total("chosen"),
        "equal_fit": sum(equal) / len(equal),
        **{name: total(name) / len(rows) for name in ("loss_without", "loss_with")},
        **{name: total(name) for name in ("judgments_without", "judgments_with")},
        **contained(),
    }


class Planted(NamedTuple):
    """`holds[i, k]`: whether text `i` has property `k`; the target is made of three of them, `names`."""

    texts: list[str]
    holds: np.ndarray
    names: list[str]
    target: np.ndarray


def planted(seed: int, n_texts: int = _N_TEXTS) -> Planted:
    """Texts with planted lexical properties, and a target to be explained by three of them."""
    rng = np.random.default_rng(seed)
    names = rng.choice(list(_PROPERTIES), 3, replace=False).tolist()
    holds = rng.random((n_texts, len(_PROPERTIES))) < 0.35
    texts = []
    for number, row in enumerate(holds):
        said = [ways for has, (_, ways) in zip(row, _PROPERTIES.values(), strict=True) if has]
        texts.append(with_phrases(rng, _FILLER, int(rng.integers(12, 30)), said) + f" {number + 10_000}")
    chosen = holds[:, [list(_PROPERTIES).index(name) for name in names]]
    return Planted(texts, holds, names, chosen @ np.asarray([1.0, -0.9, 0.8]) + rng.normal(0, 0.1, n_texts))


def _corpus(seed: int) -> dict:
    texts, holds, _, target = planted(seed)
    held = dict(zip(_PROPERTIES, holds.T, strict=True))

    def write(asked: str) -> str | None:
        if "Write one Python function" not in asked:
            return None
        wanted = asked.split("Property: The text ")[1].split(".\n")[0]
        body = _PROPERTIES[wanted][0] if wanted in _PROPERTIES else _WRONG
        return f"```python\nimport re\n\ndef predicate(text):\n    return {body}\n```"

    identity, options = f"scripted-{seed}", {"n_screened": 20}
    given = {"distractors": _DISTRACTORS, "n_proposed": 6, "identity": identity, "write": write}
    lm = erring(texts, held, errors=_ERRORS, **given)
    without, with_it = _fits(texts, target, lm=lm, proposer="contrast", options=options, store=":memory:", seed=seed)
    return {
        "chosen": len(with_it.predicates),
        "computed": len(with_it.settings["computed"]),
        "loss_without": without.loss,
        "loss_with": with_it.loss,
        "judgments_without": without.costs.judgments_asked,
        "judgments_with": with_it.costs.judgments_asked,
        "predicates": with_it.predicates,
    }


def _fits(texts: list[str], target: np.ndarray, **arguments: Any) -> list[nlparam.Fit]:
    """The regression without executable predicates and with them."""
    model, embedder = Regression(n_predicates=3), LexicalEmbedder(texts, 48, token_pattern=r"(?u)\w+|[?!$]")
    return [
        nlparam.fit(model, texts, target, embedder=embedder, executable=executable, **arguments)
        for executable in (False, True)
    ]


def with_language_model(lm: str, n_texts: int, store: str | None) -> dict:
    """The same with a language model that writes functions and judges; the predicates are given, not proposed.

    Each function is run on all texts and compared with what was planted, whether it was accepted or not.
    """
    corpus = planted(0, n_texts)
    predicates = [*_PROPERTIES, *_DISTRACTORS]
    without, with_it = _fits(
        corpus.texts, corpus.target, lm=lm, predicates=predicates, store=store, timeout=600.0, seed=0
    )
    computed = with_it.settings["computed"]
    return {
        "planted": corpus.names,
        "chosen_with": list(with_it.predicates),
        "chosen_without": list(without.predicates),
        "columns_replaced": sum(p in computed for p in with_it.predicates) / len(with_it.predicates),
        "loss_with": with_it.loss,
        "loss_without": without.loss,
        "judgments_with": n_judgments(with_it.costs),
        "judgments_without": n_judgments(without.costs),
        "functions": _functions(lm, corpus, predicates, store),
        "texts": n_texts,
        "lm": lm,
    }


def _functions(lm: str, corpus: Planted, predicates: list[str], store: str | None) -> dict:
    """For each predicate why its function was refused (`None`: it was not), and how often it says what was planted."""
    with Session(lm=lm, store=store, timeout=600.0) as session:
        sources = write_functions(session.engine, predicates)
        judge, rng = session.judge(n_words=400), np.random.default_rng(0)
        tried = try_functions(predicates, sources, corpus.texts, judge, Criteria(correct_bias=True), rng=rng)
    found = {}
    for number, one in enumerate(tried):
        values = None if one.source is None else run_predicates([one.source], corpus.texts)[0].values
        right = None
        if values is not None and number < corpus.holds.shape[1]:
            right = round(float(np.mean((values > 0.5) == corpus.holds[:, number])), 3)
        found[one.predicate] = {"refused": one.refused, "right": right, "source": one.source}
    return found


def run(
    lm: Annotated[str | None, "by default a scripted one"] = None, n_texts: int = 100, store: str | None = None
) -> dict:
    """Executable predicates on planted lexical properties."""
    return measure() if lm is None else with_language_model(lm, n_texts, store)


if __name__ == "__main__":
    command(run)
