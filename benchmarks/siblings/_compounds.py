"""Compounds taken apart by a language model: of the topics of AG News, and of texts with planted topics and moods."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nlparam
from benchmarks.commands import n_judgments, read_rows, read_yaml, timed
from nlparam.errors import LanguageModelError
from nlparam.evals.decomposition import Decomposed, Execution, Expression, Part, parse, repair
from nlparam.numerics.statistics.logic import evaluate

_DATA = read_yaml(Path(__file__).with_name("compounds.yaml"))
_OPENINGS, _CLOSINGS, _QUESTIONS = _DATA["openings"], _DATA["closings"], _DATA["questions"]
_TOPICS, _MOODS, _ASKS = tuple(_OPENINGS), ("negative", "positive"), "asks a question"


class Note(NamedTuple):
    """A text, and the simple predicates that were planted in it."""

    text: str
    holds: frozenset[str]


def notes(n_texts: int) -> list[Note]:
    """Notes with one of three topics, one of two moods, and a question in every other; up to 48 different ones."""
    rng = np.random.default_rng(0)
    made = []
    cells = list(itertools.product(_OPENINGS, _CLOSINGS))
    for number in range(n_texts):
        turn, cell = divmod(number, len(cells))
        topic, mood = cells[cell]
        said = [_OPENINGS[topic][turn % 4], _CLOSINGS[mood][int(rng.integers(3))]]
        held = {f"is about {topic}", f"is {mood}"}
        if (turn + turn // 4 + cell) % 2 == 0:
            said.append(_QUESTIONS[int(rng.integers(3))])
            held.add(_ASKS)
        made.append(Note(" ".join(said), frozenset(held)))
    return made


def planted(lm: Any, n_texts: int, store: str | None, n_compounds: int | None = None, **options: Any) -> dict[str, Any]:
    """Takes planted compounds apart; spoils one part of each in every way, and repairs it by one change."""
    corpus = notes(n_texts)
    texts = [note.text for note in corpus]
    settings = {"lm": lm, "store": store, "timeout": 600.0, "n_proposals": 2, "n_alternatives": 2} | options
    # The words of the plan, judged once for all compounds: what a part may be confused with, and what mends it.
    words = [*(f"is about {topic}" for topic in _TOPICS), *(f"is {mood}" for mood in _MOODS), _ASKS]
    labels = [words[0] in note.holds for note in corpus]
    every = " and ".join(f'"{word}"' for word in words)
    judged = nlparam.decompose(
        words[0], texts, labels, **(settings | {"expressions": [every], "n_proposals": 0, "n_alternatives": 0})
    ).execution
    rows, errors, failed = [], [], []
    for predicate, meaning in itertools.islice(_DATA["planted"].items(), n_compounds):
        labels = truth(parse(meaning), corpus, lambda name, note: name in note.holds)
        try:
            found = nlparam.decompose(predicate, texts, labels, **settings)
        except LanguageModelError as error:  # it wrote nothing that can be read
            failed.append(predicate)
            print(json.dumps({"predicate": predicate, "failed": str(error)}), flush=True)
            continue
        rows.append(_row(found) | {"meaning_judged": _joint(found, judged, labels).agreement(parse(meaning))})
        errors += _spoiled(parse(meaning), _joint(found, judged, labels))
        print(json.dumps(rows[-1]), flush=True)
    return _summary(rows, errors) | {
        "without_a_decomposition": failed,
        "texts": n_texts,
        "right_by_predicate": {
            word: round(float(np.mean((judged.denotations[:, column] >= 0.5) == [word in n.holds for n in corpus])), 3)
            for column, word in enumerate(judged.predicates)
        },
        "lm": str(lm),
    }


def truth(meaning: Expression, corpus: Sequence[Any], holds: Callable[[str, Any], bool]) -> np.ndarray:
    """`(n_texts,)`: whether a compound holds, where `holds` says so of its parts."""
    names = tuple(dict.fromkeys(meaning.parts))
    columns = np.asarray([[holds(name, one) for name in names] for one in corpus], dtype=float)
    return evaluate(meaning.tree({name: column for column, name in enumerate(names)}), columns) >= 0.5


def mended(spoiled: Expression, execution: Execution, rows: np.ndarray, *without: str) -> tuple[int | None, float]:
    """The part of the change that is chosen on every other of the rows (`None` without one), and how right the whole
    is then on the others."""
    made = next(iter(repair(spoiled, execution.on(rows[::2]), without=without)), None)
    found = spoiled if made is None else made.expression
    return None if made is None else made.part, execution.on(rows[1::2]).agreement(found)


def _joint(found: Decomposed, judged: Execution, labels: np.ndarray) -> Execution:
    """What was judged for a compound, and the words of the plan besides."""
    here = found.execution
    new = [column for column, word in enumerate(judged.predicates) if word not in here.columns]
    columns = np.concatenate([here.denotations, judged.denotations[found.rows][:, new]], axis=1)
    return Execution((*here.predicates, *(judged.predicates[c] for c in new)), columns, labels[found.rows])


def _spoiled(meaning: Expression, execution: Execution) -> list[dict[str, Any]]:
    """Each part of the meaning taken for another word of the plan, as far as that does harm; and the change, chosen on
    one half of the texts, that mends it on the other."""
    order = np.random.default_rng(0).permutation(len(execution.labels))
    # Alternately by label, so that both halves have texts of either.
    order = order[np.argsort(execution.labels[order], kind="stable")]
    own, most = execution.on(order[1::2]).agreement(meaning), min(0.85, execution.agreement(meaning) - 0.05)
    results = []
    for number, part in enumerate(meaning.parts):
        for other in _confused(part):
            spoiled = meaning.replace(number, Part(other))
            if other in meaning.parts or execution.agreement(spoiled) > most:
                continue
            results.append({"unspoiled": own})
            for name, without in (("", ()), ("_other_wording", (part,))):
                changed, right = mended(spoiled, execution, order, *without)
                results[-1] |= {f"in_that_part{name}": changed == number, f"right{name}": right}
    return results


def _confused(part: str) -> list[str]:
    topics = [f"is about {topic}" for topic in _TOPICS]
    moods = [f"is {mood}" for mood in _MOODS]
    return [other for other in (topics if part in topics else [*moods, _ASKS]) if other != part]


def _row(found: Decomposed) -> dict[str, Any]:
    """What was chosen, how often it is right, and how often it is what the whole was judged to be."""
    return {
        "predicate": found.predicate,
        "share_that_holds": round(float(np.mean(found.execution.labels)), 3),
        "chosen": str(found.chosen.expression),
        "agreement": round(found.execution.agreement(found.chosen.expression), 3),
        "balanced_agreement": round(found.execution.balanced_agreement(found.chosen.expression), 3),
        "agreement_held_out": round(found.chosen.agreement, 3),
        "whole_judged": _rounded(found.agreement_of_whole),
        "agreement_with_whole_judged": _rounded(found.agreement_with_whole),
        "ranked": {str(one.expression): round(one.balanced_agreement, 3) for one in found.ranked},
        "suggestion": None if found.suggestion is None else str(found.suggestion.expression),
        "unreadable": list(found.unreadable),
        "judgments": n_judgments(found.costs),
        "seconds": round(found.costs.total_seconds, 1),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _summary(rows: list[dict[str, Any]], errors: list[dict[str, Any]]) -> dict[str, Any]:
    def share(holds: Callable[[dict[str, Any]], bool], listed: list[dict[str, Any]]) -> float | None:
        return round(float(np.mean([holds(one) for one in listed])), 3) if listed else None

    averaged = ("agreement", "balanced_agreement", "agreement_held_out", "whole_judged", "agreement_with_whole_judged")
    return {
        "compounds": len(rows),
        **{name: round(float(np.mean([row[name] for row in rows])), 3) for name in averaged},
        "agreement_at_least_90": share(lambda row: row["agreement"] >= 0.9, rows),
        "planted_errors": len(errors),
        "repaired_in_that_part_alone": share(lambda e: e["in_that_part"] and e["right"] >= 0.9, errors),
        "repaired_by_another_wording": share(
            lambda e: e["in_that_part_other_wording"] and e["right_other_wording"] >= 0.9, errors
        ),
        # Where the meaning itself, as judged, is not right for 90% of the texts, no repair can be.
        "could_be_repaired": share(lambda e: e["unspoiled"] >= 0.9, errors),
        "as_right_as_unspoiled": share(lambda e: e["in_that_part"] and e["right"] >= e["unspoiled"], errors),
    }


def news(lm: Any, data: Path, n_texts: int, store: str | None, **options: Any) -> list[dict[str, Any]]:
    """Takes compounds of news topics apart, with a language model throughout."""
    rows = read_rows(data / "cluster" / "agnews")
    drawn = np.random.default_rng(0).permutation(len(rows))[:n_texts]
    corpus = [rows[row]["text"] for row in drawn]
    topics = [str(rows[row]["label"]).casefold() for row in drawn]
    settings = {"n_proposals": 3, "n_alternatives": 2, "store": store, "timeout": 600.0} | options
    results = []
    for predicate, held in _DATA["news"].items():
        labels = [topic in held for topic in topics]
        found, seconds = timed(nlparam.decompose, predicate, corpus, labels, lm=lm, **settings)
        results.append(_row(found) | {"seconds": round(seconds, 1)})
        print(json.dumps(results[-1]), flush=True)
    return results
