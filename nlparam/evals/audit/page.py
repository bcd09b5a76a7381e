"""The report of an audit: rates, changes and odds ratios with intervals, and predicates of what fools an evaluator."""

from collections.abc import Mapping
from typing import Any

from nlparam.results.page.blocks import Block, Cell, Link, Section, Words
from nlparam.results.page.quantities import stated
from nlparam.results.page.rows import Row
from nlparam.results.page.sections import Interval, SectionPage, named, number, of_contents, quoted, rate_of
from nlparam.results.page.tables import PLACE, charted
from nlparam.results.page.text import DASH
from nlparam.runtime.words import counted

# Systems that the first sentences name.
_MOST_NAMED = 3
_RATES = {
    "false_positives": "False positives",
    "false_negatives": "False negatives",
    "approval": "Accepted",
    "correctness": "Right",
}


def describe_audit(contents: Mapping[str, Any]) -> SectionPage:
    """Chooses what the report shows. **Arguments:** `contents`, as `Audit.as_dict()` gives it."""
    settings = contents.get("settings", {})
    confidence = stated(settings.get("confidence", 0.95))
    n, systems = contents["evaluations"], contents["systems"]
    sections = [Section("rates", "Rates", [*_rates(systems, confidence), _DEFINED])]
    if contents["changes"]:
        sections.append(Section("changes", "Changes between systems", _changes(contents["changes"], confidence)))
    if contents["covariates"]:
        sections.append(Section("covariates", "Covariates", _covariates(contents["covariates"], confidence)))
    sections.append(Section("predicates", f"What the {contents['side']} have in common", _predicates(contents)))
    fooling = sum(bool(one["claimed"]) for one in contents["predicates"])
    return SectionPage(
        title="Audit of an evaluator",
        model="Audit",
        summary=_summary(contents),
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


def _summary(contents: Mapping[str, Any]) -> str:
    """In sentences: how often the evaluator is wrong about each system, and what fools it most."""
    found = (
        f"The evaluator judged {counted(contents['evaluations'], 'output')} of {counted(contents['tasks'], 'task')}."
    )
    for one in contents["systems"][:_MOST_NAMED]:
        wrong = [
            f"{what} {rate_of(one[kind]).cell('.0%').text} of its {of} outputs"
            for kind, what, of in (("false_positives", "accepts", "wrong"), ("false_negatives", "rejects", "right"))
            if one[kind]["n"]
        ]
        if wrong:
            found += f" Of “{named(one['system'], 100)}” it {' and '.join(wrong)}."
    claimed = [one for one in contents["predicates"] if one["claimed"] and one["effect"] is not None]
    if claimed:
        most = max(claimed, key=lambda one: abs(one["effect"]["effect"]))
        found += (
            f" {counted(len(claimed), 'predicate')} of {len(contents['predicates']):,} tested "
            f"{'goes' if len(claimed) == 1 else 'go'} with mistakes or their absence, most of all "
            f"“{named(most['predicate'], 120)}”."
        )
    return found


_DEFINED = Words(
    "False positives: of a system's wrong outputs, the share that was accepted. False negatives: of its right ones, "
    "the share that was rejected. Accepted and right are shares of all its outputs.",
    muted=True,
)


def _rates(systems: list[Mapping[str, Any]], confidence: str) -> list[Block]:
    def rate(kind: str):
        return lambda one: rate_of(one[kind])._replace(of=one[kind]["n"])

    return charted(
        "rates",
        "Rates of each system",
        systems,
        [("System", "head", "system"), *((name, "drawn:.0%", rate(kind)) for kind, name in _RATES.items())],
        label="Share",
        interval=f"Wilson's {confidence} interval",
    )


def _rate(change: Mapping[str, Any]) -> str:
    """The rate that has changed, by the name of the table of rates."""
    return _RATES[change["kind"].replace(" ", "_")]


def _changes(changes: list[Mapping[str, Any]], confidence: str) -> list[Block]:
    def pair(change: Mapping[str, Any]) -> str:
        return f"{named(change['to'], 100)} minus {named(change['since'], 100)}"

    return charted(
        "changes",
        "Changes of the rates between systems",
        changes,
        [
            ("Systems", "head", lambda one: Cell(pair(one))),
            ("Rate", "choice", _rate),
            ("Change", "drawn:+.1f", lambda one: Interval.read(one, "difference", 100.0)),
            ("p", "p", "p_value"),
            ("p (Holm)", "p", "p_adjusted"),
            ("Test", "choice", "test"),
        ],
        label="Percentage points",
        interval=f"the {confidence} interval",
        neutral=0.0,
        neutral_means="no change",
        panel=_rate,
        name=f"Changes in percentage points, with {confidence} intervals",
        note="The p-values by Holm are adjusted for all changes of this audit.",
        search=len(changes) > 12,
    )


def _covariates(effects: list[Mapping[str, Any]], confidence: str) -> list[Block]:
    return [
        Words(
            "An odds ratio says by what the odds of a mistake are multiplied, the other covariates and the system "
            "being equal."
        ),
        *charted(
            "covariates",
            "Odds ratios of the covariates",
            [{"p_adjusted": None, **one} for one in effects],
            [
                ("Covariate", "head", "covariate"),
                ("Value", "", "value"),
                ("Mistakes", "choice", "kind"),
                ("Odds ratio", "drawn:.2f", lambda one: Interval.read(one, "odds_ratio")),
                ("p", "p", "p_value"),
                ("p (Holm)", "p", "p_adjusted"),
                ("Evaluations", "number", "n"),
            ],
            label="Odds ratio",
            interval=f"Wald's {confidence} interval",
            caption="The scale is logarithmic.",
            neutral=1.0,
            neutral_means="no effect",
            log=True,
            item=lambda one: f"{one['covariate']}, {one['value']}",
            panel=lambda one: f"On {one['kind']}",
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
    rows = [
        one | {"points": Interval.read(one["effect"], "effect", 100.0 if one["more"] == mistaken else -100.0)}
        for one in tested
    ]
    return [
        Words(
            "An effect is by how much more often a predicate holds among the mistakes than among the evaluations of "
            "such outputs that are right, in percentage points. It is measured on outputs that no predicate was "
            f"proposed from{_adjusted(contents)}, and p-values are adjusted for how many were tested."
        ),
        *charted(
            "predicates",
            "Effects of the tested predicates",
            rows,
            [
                ("No.", "number", PLACE),
                ("Predicate", "head", lambda one: quoted(one["predicate"])),
                ("Claimed", "choice", "claimed"),
                ("Proposed for", "choice", lambda one: one["more"] or DASH),
                ("Of the mistakes", "number", lambda one: _share(one, contents["sides"][0])),
                ("Of the others", "number", lambda one: _share(one, contents["sides"][1])),
                ("Effect", "drawn:+.1f", "points"),
                ("Adjusted p", "p", "p_adjusted"),
            ],
            label="Difference of the shares, percentage points",
            interval="its interval",
            caption=f"To the right a predicate holds more often for what is “{mistaken}”.",
            neutral=0.0,
            neutral_means="no difference",
            order=lambda one: -one["points"].value,
            name="Tested predicates and their effects, in percentage points with intervals",
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
