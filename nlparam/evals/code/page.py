"""The report of solutions that were executed: pass rates with intervals, failures with their reasons, the probe."""

from collections.abc import Mapping
from typing import Any

from nlparam.results.page.blocks import Block, Counts, Folded, Item, Quotation, Section, Words
from nlparam.results.page.quantities import stated
from nlparam.results.page.rows import Row
from nlparam.results.page.sections import (
    Interval,
    SectionPage,
    interval_chart,
    named,
    of_contents,
    quoted,
    rate_of,
)
from nlparam.results.page.tables import charted, table_of
from nlparam.results.page.text import DASH
from nlparam.runtime.words import counted

_MOST_QUOTED, _OF_A_REASON = 30, 5
_MOST_CODE = 4000


def describe_execution(contents: Mapping[str, Any]) -> SectionPage:
    """Chooses what the report shows.

    **Arguments:** `contents`, as `Evaluation.as_dict()` of `nlparam.evals.code` gives it, with "probe", "explanation",
    "settings" and "costs" where there are some.
    """
    problems, overall = contents["problems"], contents["overall"]
    settings = contents.get("settings", {})
    failures = [one for one in problems if not one["passed"]]
    sections = [Section("rates", "Pass rates", _rates(contents))]
    if contents.get("probe"):
        sections.append(Section("probe", "Memorisation", _probe(contents["probe"], _confidence(contents))))
    if contents.get("explanation"):
        sections.append(Section("explanation", "What is lost", _explained(contents["explanation"])))
    sections.append(Section("failures", "What did not pass, and why", _failures(failures)))
    notes = []
    if contents["broken_tests"]:
        said = "; ".join(sorted({str(one["error"])[:200] for one in problems if one["broken"]})[:3])
        notes.append(
            f"The tests of {counted(contents['broken_tests'], 'problem')} do not run here, which is in no rate: {said}"
        )
    if unanswered := len(contents.get("unanswered", ())):
        notes.append(f"The language model gave no answer to {counted(unanswered, 'problem')}, which is in no rate.")
    if unpaired := contents.get("probe", {}).get("unpaired"):
        notes.append(f"{counted(unpaired, 'perturbed problem')} without an original here: left out of what is lost.")
    return SectionPage(
        title=f"Solutions of {len(problems):,} programming problems",
        model="Execution",
        summary=(
            f"{rate_of(overall).cell(of=overall['n']).text} solutions pass their tests when they are executed. "
            f"{counted(contents['wrong_form'], 'solution')} would be right, but in a form that was ruled out."
        ),
        facts=[
            Row("Problems", f"{len(problems):,}"),
            Row("Passed", rate_of(overall).cell().text),
            Row("Right, but in a form that was ruled out", f"{contents['wrong_form']:,}"),
            *([Row("Solutions", named(settings["solutions"], 200))] if settings.get("solutions") else []),
            Row("Confined by", ", ".join(contents["enforced"]) or DASH),
        ],
        warnings=notes,
        sections=sections,
        **of_contents(contents),
    )


def _confidence(contents: Mapping[str, Any]) -> str:
    return stated(contents.get("confidence", 0.95))


def _rates(contents: Mapping[str, Any]) -> list[Block]:
    interval = f"Wilson's {_confidence(contents)} interval"
    blocks: list[Block] = []
    lines = [contents["overall"] | {"name": "All", "by": ""}]
    for group in ("library", "perturbation"):
        rates = contents[f"by_{group}"]
        lines += [rate | {"name": name, "by": group} for name, rate in rates.items()]
        blocks += interval_chart(
            f"rates-{group}",
            f"Pass rates by {group}",
            [named(name) for name in rates],
            {"": [rate_of(rate) for rate in rates.values()]},
            label=f"Passed, by {group}",
            caption=f"The line through a dot is {interval}.",
        )
    columns = [
        ("Problems", "head", "name"),
        ("By", "", "by"),
        ("Passed", "number", "hits"),
        ("Of", "number", "n"),
        ("Rate", "number", rate_of),
    ]
    return [*blocks, table_of("rates", f"Pass rates, with {interval}s", lines, columns)]


def reason(problem: Mapping[str, Any]) -> str:
    """Why a solution does not pass, in a word or two that many have in common."""
    if problem["broken"]:
        return "tests do not run"
    if problem["functional"] and problem["surface"] is False:
        return "form ruled out"
    # "AssertionError: arrays differ ..." and its like: what stands before the colon.
    first = str(problem["error"] or "").strip().split(":", 1)[0].split("(", 1)[0].strip()
    return named(first, 40) or "wrong result"


def _failures(failures: list[Mapping[str, Any]]) -> list[Block]:
    if not failures:
        return [Words("All solutions passed.")]
    by_reason: dict[str, list[Mapping[str, Any]]] = {}
    for one in failures:
        by_reason.setdefault(reason(one), []).append(one)
    by_reason = dict(sorted(by_reason.items(), key=lambda pair: -len(pair[1])))
    shown = [one for found in by_reason.values() for one in found[:_OF_A_REASON]][:_MOST_QUOTED]
    return [
        Counts([Row(name, f"{len(found):,}") for name, found in by_reason.items()][:6]),
        table_of(
            "failures",
            "Solutions that did not pass",
            failures,
            [
                ("Problem", "head", "problem_id"),
                ("Library", "choice", "library"),
                ("Perturbation", "choice", "perturbation"),
                ("Reason", "choice", reason),
                ("What was said", "text", lambda one: quoted(one["error"] or DASH)),
            ],
            search=True,
        ),
        Folded(
            [
                Item(
                    f"Problem {named(one['problem_id'])}",
                    reason(one),
                    [
                        Quotation("Solution", one["code"][:_MOST_CODE] or DASH, code=True),
                        Quotation("What was said", str(one["error"] or DASH)[:_MOST_CODE], code=True),
                    ],
                )
                for one in shown
            ],
            omitted=len(failures) - len(shown),
        ),
    ]


def _probe(probe: Mapping[str, Any], confidence: str) -> list[Block]:
    return [
        Words(
            "Each perturbed problem is paired with its original. A language model that knows originals by heart loses "
            "already where only the words are others (Surface). The interval is a bootstrap over originals; McNemar's "
            "test takes pairs for independent, so where many share an original, trust the interval."
        ),
        *charted(
            "probe",
            "What is lost from originals to perturbed problems",
            [drop | {"kind": kind} for kind, drop in probe["drops"].items()],
            [
                ("Perturbation", "head", "kind"),
                ("Pairs", "number", "pairs"),
                ("Lost", "drawn:+.1f", lambda drop: Interval.read(drop, "difference", 100.0)),
                ("p (McNemar)", "p", "p_value"),
                ("p (Holm)", "p", "p_adjusted"),
            ],
            label="Original minus perturbed, percentage points",
            interval=f"the {confidence} interval",
            neutral=0.0,
            neutral_means="no loss",
            name=(
                f"What is lost from originals to perturbed problems, in percentage points with {confidence} intervals"
            ),
        ),
    ]


def _explained(explanation: Mapping[str, Any]) -> list[Block]:
    return [
        Words(
            f"Of the perturbed problems whose original is solved, {explanation['lost']:,} are lost and "
            f"{explanation['kept']:,} kept. These predicates describe the lost ones. They were found and are told on "
            "the same problems: a description, no test."
        ),
        table_of(
            "explanation",
            "How much more often a predicate holds for lost problems than for kept ones",
            explanation["predicates"],
            [
                ("Predicate", "head", lambda one: quoted(one["predicate"])),
                ("Difference, points", "number:+.1f", lambda one: 100 * one["difference"]),
            ],
        ),
    ]
