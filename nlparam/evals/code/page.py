"""The report of solutions that were executed: pass rates with intervals, failures with their reasons, the probe."""

from collections.abc import Mapping
from typing import Any

from nlparam.results.page.blocks import Block, Counts, Folded, Item, Quotation, Section, Table, Words
from nlparam.results.page.quantities import stated
from nlparam.results.page.rows import Row
from nlparam.results.page.sections import (
    Interval,
    SectionPage,
    counted,
    interval_chart,
    named,
    number,
    of_contents,
    p_value,
    quoted,
    rate_of,
)
from nlparam.results.page.tables import table_of
from nlparam.results.page.text import DASH

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
    sections = [Section("rates", "Pass rates", [*_rate_charts(contents), _rates(contents)])]
    if contents.get("probe"):
        sections.append(Section("probe", "Memorisation", _probe(contents["probe"], _confidence(contents))))
    if contents.get("explanation"):
        sections.append(Section("explanation", "What is lost", _explained(contents["explanation"])))
    sections.append(Section("failures", "What did not pass, and why", _failures(failures)))
    notes = []
    if contents["broken_tests"]:
        notes.append(
            f"The tests of {counted(contents['broken_tests'], 'problem')} do not run here, which is in no rate."
        )
    if unanswered := len(contents.get("unanswered", ())):
        notes.append(f"The language model gave no answer to {counted(unanswered, 'problem')}, which is in no rate.")
    return SectionPage(
        title=f"Solutions of {len(problems):,} programming problems",
        model="Execution",
        summary=(
            "This page shows how many solutions pass their tests when they are executed, by library and by "
            "perturbation, and why the others do not."
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


def _groups(contents: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    groups = {"Library": contents["by_library"], "Perturbation": contents["by_perturbation"]}
    return {name: rates for name, rates in groups.items() if rates}


def _rate_charts(contents: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = []
    for name, rates in _groups(contents).items():
        blocks += interval_chart(
            f"rates-{name.lower()}",
            f"Pass rates by {name.lower()}",
            [named(one) for one in rates],
            {"": [rate_of(rate) for rate in rates.values()]},
            label=f"Passed, by {name.lower()}",
            caption=f"The line through a dot is Wilson's {_confidence(contents)} interval.",
        )
    return blocks


def _rates(contents: Mapping[str, Any]) -> Table:
    lines = [("All", "", contents["overall"])]
    lines += [(name, kind, rate) for kind, rates in _groups(contents).items() for name, rate in rates.items()]
    return table_of(
        "rates",
        f"Pass rates, with Wilson's {_confidence(contents)} intervals",
        lines,
        [
            ("Problems", "head", lambda line: line[0]),
            ("By", "", lambda line: line[1].lower()),
            ("Passed", "number", lambda line: line[2]["hits"]),
            ("Of", "number", lambda line: line[2]["n"]),
            ("Rate", "number", lambda line: rate_of(line[2])),
        ],
    )


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
    drops = probe["drops"]
    points = {kind: Interval.read(drop, "difference", 100.0) for kind, drop in drops.items()}
    blocks: list[Block] = [
        Words(
            "Each perturbed problem is paired with its original. A language model that knows originals by heart loses "
            "already where only the words are others (Surface). The interval is a bootstrap over originals; McNemar's "
            "test takes pairs for independent, so where many share an original, trust the interval."
        ),
        *interval_chart(
            "probe",
            "What is lost from originals to perturbed problems",
            [named(kind) for kind in points],
            {"": list(points.values())},
            label="Original minus perturbed, percentage points",
            caption=f"The line through a dot is the {confidence} interval; the dashed line at 0 means no loss.",
            neutral=0.0,
        ),
        table_of(
            "probe",
            f"What is lost from originals to perturbed problems, in percentage points with {confidence} intervals",
            drops.items(),
            [
                ("Perturbation", "head", lambda drop: drop[0]),
                ("Pairs", "number", lambda drop: drop[1]["pairs"]),
                ("Lost", "number", lambda drop: points[drop[0]].cell("+.1f")),
                ("p (McNemar)", "number", lambda drop: p_value(drop[1]["p_value"])),
                ("p (Holm)", "number", lambda drop: p_value(drop[1]["p_adjusted"])),
            ],
        ),
    ]
    if probe["unpaired"]:
        blocks.append(Words(f"{probe['unpaired']:,} perturbed problems have no original here and are left out.", True))
    return blocks


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
                ("Difference, points", "number", lambda one: number(100 * one["difference"], "+.1f")),
            ],
        ),
    ]
