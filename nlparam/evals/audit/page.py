"""The report of an audit: rates, changes and odds ratios with intervals, and predicates of what fools an evaluator."""

import math
from collections.abc import Mapping
from typing import Any

from nlparam.results.page.blocks import Block, Cell, Link, Section, Table, Words
from nlparam.results.page.quantities import stated
from nlparam.results.page.rows import Row
from nlparam.results.page.sections import (
    Interval,
    SectionPage,
    interval_chart,
    named,
    number,
    of_contents,
    p_value,
    quoted,
    rate_of,
)
from nlparam.results.page.tables import PLACE, table_of
from nlparam.results.page.text import DASH

_RATES = {
    "false_positives": "False positives",
    "false_negatives": "False negatives",
    "approval": "Accepted",
    "correctness": "Right",
}
_MISSING = Interval(math.nan, math.nan, math.nan)


def describe_audit(contents: Mapping[str, Any]) -> SectionPage:
    """Chooses what the report shows. **Arguments:** `contents`, as `Audit.as_dict()` gives it."""
    settings = contents.get("settings", {})
    confidence = stated(settings.get("confidence", 0.95))
    n, systems = contents["evaluations"], contents["systems"]
    sections = [Section("rates", "Rates", [_DEFINED, *_rates_chart(systems, confidence), _rates(systems, confidence)])]
    if contents["changes"]:
        sections.append(Section("changes", "Changes between systems", _changes(contents["changes"], confidence)))
    if contents["covariates"]:
        sections.append(Section("covariates", "Covariates", _covariates(contents["covariates"], confidence)))
    sections.append(Section("predicates", f"What the {contents['side']} have in common", _predicates(contents)))
    fooling = sum(bool(one["claimed"]) for one in contents["predicates"])
    return SectionPage(
        title="Audit of an evaluator",
        model="Audit",
        summary=(
            f"This page shows how often an evaluator is wrong about {n:,} outputs of {contents['tasks']:,} tasks, how "
            "that differs between systems, what it goes with, and what the outputs that fool it have in common."
        ),
        facts=[
            Row("Evaluations", f"{n:,}"),
            Row("Tasks", f"{contents['tasks']:,}"),
            Row("Systems", f"{len(contents['systems']):,}"),
            Row("Mistakes looked at", contents["side"]),
            Row("Predicates claimed", f"{fooling:,} of {len(contents['predicates']):,} tested"),
            *([Row("Compared with", named(settings["baseline"], 100))] if settings.get("baseline") else []),
        ],
        warnings=[*contents["notes"], *([] if contents["complete"] else ["Predicates are still to be sought."])],
        sections=sections,
        **of_contents(contents),
    )


_DEFINED = Words(
    "False positives: of a system's wrong outputs, the share that was accepted. False negatives: of its right ones, "
    "the share that was rejected. Accepted and right are shares of all its outputs."
)


def _rates_chart(systems: list[Mapping[str, Any]], confidence: str) -> list[Block]:
    panels = {name: [rate_of(one[kind]) for one in systems] for kind, name in _RATES.items()}
    return interval_chart(
        "rates",
        "Rates of each system",
        [named(one["system"]) for one in systems],
        panels,
        label="Share",
        caption=f"The line through a dot is Wilson's {confidence} interval.",
    )


def _rates(systems: list[Mapping[str, Any]], confidence: str) -> Table:
    def rate(kind: str):
        return lambda one: rate_of(one[kind]).cell(".0%", of=one[kind]["n"])

    return table_of(
        "rates",
        f"Rates of each system, with Wilson's {confidence} intervals",
        systems,
        [("System", "head", "system"), *((name, "number", rate(kind)) for kind, name in _RATES.items())],
    )


def _changes(changes: list[Mapping[str, Any]], confidence: str) -> list[Block]:
    found = {(change["kind"], change["to"], change["since"]): _points(change) for change in changes}
    pairs = list(dict.fromkeys((to, since) for _, to, since in found))
    kinds = list(dict.fromkeys(kind for kind, _, _ in found))
    panels = {kind.capitalize(): [found.get((kind, to, since), _MISSING) for to, since in pairs] for kind in kinds}
    return [
        *interval_chart(
            "changes",
            "Changes of the rates between systems",
            [f"{named(to, 40)} minus {named(since, 40)}" for to, since in pairs],
            panels,
            label="Percentage points",
            caption=f"The line through a dot is the {confidence} interval; the dashed line at 0 means no change.",
            neutral=0.0,
        ),
        table_of(
            "changes",
            f"Changes in percentage points, with {confidence} intervals",
            changes,
            [
                ("Systems", "head", lambda one: Cell(f"{named(one['to'], 100)} minus {named(one['since'], 100)}")),
                ("Rate", "choice", "kind"),
                ("Change", "number", lambda one: _points(one).cell("+.1f")),
                ("p", "number", lambda one: p_value(one["p_value"])),
                ("p (Holm)", "number", lambda one: p_value(one["p_adjusted"])),
                ("Test", "choice", "test"),
            ],
            note="The p-values by Holm are adjusted for all changes of this audit.",
            search=len(changes) > 12,
        ),
    ]


def _covariates(effects: list[Mapping[str, Any]], confidence: str) -> list[Block]:
    rows = list(dict.fromkeys((one["covariate"], one["value"]) for one in effects))
    panels: dict[str, list[Interval]] = {}
    for one in effects:
        column = panels.setdefault(f"On {one['kind']}", [_MISSING] * len(rows))
        column[rows.index((one["covariate"], one["value"]))] = Interval.read(one, "odds_ratio")
    return [
        Words(
            "An odds ratio says by what the odds of a mistake are multiplied, the other covariates and the system "
            "being equal."
        ),
        *interval_chart(
            "covariates",
            "Odds ratios of the covariates",
            [f"{named(covariate, 40)}, {named(value, 50)}" for covariate, value in rows],
            panels,
            label="Odds ratio",
            caption=(
                f"The line through a dot is Wald's {confidence} interval, on a logarithmic scale; the dashed line at 1 "
                "means no effect."
            ),
            neutral=1.0,
            log=True,
        ),
        table_of(
            "covariates",
            f"Odds ratios, with Wald's {confidence} intervals",
            effects,
            [
                ("Covariate", "head", "covariate"),
                ("Value", "", "value"),
                ("Mistakes", "choice", "kind"),
                ("Odds ratio", "number", lambda one: Interval.read(one, "odds_ratio").cell(".2f")),
                ("p", "number", lambda one: p_value(one["p_value"])),
                ("p (Holm)", "number", lambda one: p_value(one.get("p_adjusted"))),
                ("Evaluations", "number", "n"),
            ],
            note="The p-values by Holm are adjusted for all odds ratios of this audit.",
        ),
    ]


def _predicates(contents: Mapping[str, Any]) -> list[Block]:
    tested = [one for one in contents["predicates"] if one["effect"] is not None]
    if not tested:
        # What was sought has cost something, if only nothing.
        why = "None was sought." if contents.get("costs") is None else "None could be tested."
        return [Words(why, muted=True)]
    mistaken, report = contents["sides"][0], contents.get("predicates_report")
    signs = [1.0 if one["more"] == mistaken else -1.0 for one in tested]
    effects = [_toward(one["effect"], sign) for one, sign in zip(tested, signs, strict=True)]
    order = sorted(range(len(tested)), key=lambda at: -effects[at].value)
    return [
        Words(
            "An effect is by how much more often a predicate holds among the mistakes than among the evaluations of "
            "such outputs that are right, in percentage points. It is measured on outputs that no predicate was "
            f"proposed from{_adjusted(contents)}, and p-values are adjusted for how many were tested."
        ),
        *interval_chart(
            "predicates",
            "Effects of the tested predicates",
            [f"{at + 1}. {named(tested[at]['predicate'])}" for at in order],
            {"": [effects[at] for at in order]},
            label="Difference of the shares, percentage points",
            caption=(
                f"To the right a predicate holds more often for what is “{mistaken}”; the dashed line at 0 means no "
                "difference."
            ),
            neutral=0.0,
        ),
        table_of(
            "predicates",
            "Tested predicates and their effects, in percentage points with intervals",
            zip(tested, effects, strict=True),
            [
                ("No.", "number", PLACE),
                ("Predicate", "head", lambda row: quoted(row[0]["predicate"])),
                ("Claimed", "choice", lambda row: bool(row[0]["claimed"])),
                ("Proposed for", "choice", lambda row: row[0]["more"] or DASH),
                ("Of the mistakes", "number", lambda row: _share(row[0], contents["sides"][0])),
                ("Of the others", "number", lambda row: _share(row[0], contents["sides"][1])),
                ("Effect", "number", lambda row: row[1].cell("+.1f")),
                ("Adjusted p", "number", lambda row: p_value(row[0]["p_adjusted"])),
            ],
        ),
        *([Link("The outputs behind each predicate, and what was given up", report)] if report else []),
    ]


def _adjusted(contents: Mapping[str, Any]) -> str:
    names = contents["settings"].get("adjust") or []
    return f", adjusted for {', '.join(names)}" if names else ""


def _share(finding: Mapping[str, Any], side: str) -> Cell:
    """How often a predicate holds on one side."""
    found = next((share for share in finding["shares"] if share["group"] == side), None)
    return number(None if found is None else found["mean"], ".0%")


def _points(change: Mapping[str, Any]) -> Interval:
    return Interval.read(change, "difference", 100.0)


def _toward(effect: Mapping[str, Any], sign: float) -> Interval:
    """An effect in percentage points that is positive where the predicate speaks for the mistakes."""
    value, low, high = Interval.read(effect, "effect", 100.0 * sign)
    return Interval(value, min(low, high), max(low, high))
