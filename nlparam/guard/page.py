"""The report of a guard's evaluation: what it detects, what it refuses wrongly, examples of both, and its time."""

from collections.abc import Mapping
from typing import Any

from nlparam.results.page.blocks import Block, Counts, Section, Table, Words
from nlparam.results.page.quantities import stated
from nlparam.results.page.rows import Row
from nlparam.results.page.sections import SectionPage, interval_chart, named, number, of_contents, quoted, rate_of
from nlparam.results.page.tables import table_of
from nlparam.results.page.text import DASH

_BASELINES = {"auroc_knn": "AUROC, nearest texts", "auroc_zero_shot": "AUROC, zero-shot judge"}


def describe_guard(contents: Mapping[str, Any]) -> SectionPage:
    """Chooses what the report shows. **Arguments:** `contents`, as a guard's `Evaluation.as_dict()` gives it."""
    guard = contents["guard"]
    rules, threshold = contents["rules"], guard["threshold"]
    n_texts = sum(rule["detection"]["n"] for rule in rules.values())
    return SectionPage(
        title=f"A guard with {len(rules):,} restricted {'rule' if len(rules) == 1 else 'rules'}",
        model="Guard",
        summary=(
            f"This page shows what a guard detects of {n_texts:,} restricted texts in styles that it was not trained "
            "for, what it refuses that it should not, and how long it takes."
            if contents["settings"]["attacks"] == "held-out styles"
            else f"This page shows what a guard detects of {n_texts:,} labelled texts, what it refuses that it should "
            "not, and how long it takes."
        ),
        facts=[
            Row("Rules", f"{len(rules):,} restricted, {len(guard['constitution']['permitted']):,} permitted"),
            Row(
                "Refusals aimed at",
                f"at most {stated(threshold['max_refusals'])}, confidence {stated(threshold['confidence'])}",
            ),
            Row("Threshold", f"{threshold['value']:.3f}, set on {threshold['n_texts']:,} benign exchanges"),
            Row("Attacks", named(contents["settings"]["attacks"], 200)),
            Row("Language model of the training", named(guard["settings"].get("lm_identity", DASH), 200)),
        ],
        warnings=[],
        sections=[
            Section("detection", "Detection", _detection(contents)),
            Section("refusals", "Refusals of what is permitted", _refusals(contents)),
            Section("mistakes", "Missed and wrongly refused", _mistakes(contents)),
            Section("time", "Time", _time(contents["overhead"])),
            Section("training", "Training", _training(guard)),
        ],
        **of_contents(contents, **{f"{name} (training)": value for name, value in guard["settings"].items()}),
    )


def describe_trained(contents: Mapping[str, Any]) -> SectionPage:
    """Chooses what the report of a guard shows before it is evaluated. **Arguments:** `contents`,
    `Guard.described()`."""
    threshold, constitution = contents["threshold"], contents["constitution"]
    return SectionPage(
        title=f"A guard with {len(constitution['restricted']):,} restricted rules",
        model="Guard",
        summary="This page shows what a guard was trained on; `nlparam guard evaluate` says what it detects.",
        facts=[
            Row("Refusals aimed at", f"at most {stated(threshold['max_refusals'])}"),
            Row("Threshold", f"{threshold['value']:.3f}, set on {threshold['n_texts']:,} benign exchanges"),
        ],
        warnings=list(contents.get("warnings", ())),
        sections=[Section("training", "Training", _training(contents))],
        **of_contents(contents),
    )


def _detection(contents: Mapping[str, Any]) -> list[Block]:
    rules, styles = contents["rules"], contents["styles"]
    means = {"AUROC": contents["auroc"]} | {name: contents[key] for key, name in _BASELINES.items()}
    return [
        Counts([Row(f"{name}, mean over rules", f"{value:.3f}") for name, value in means.items() if value is not None]),
        Words(
            "Detected is the share refused at the threshold, with Wilson's 95% interval. AUROC is of a rule's texts "
            "against permitted ones in the same styles. The synthetic texts are those on which the judge agreed: that "
            "flatters a zero-shot judge."
        ),
        *interval_chart(
            "rules",
            "Detection of each rule",
            [named(rule) for rule in rules],
            {"": [rate_of(found["detection"]) for found in rules.values()]},
            label="Detected at the threshold",
            caption="The line through a dot is the 95% interval.",
        ),
        _rules(rules, contents["guard"]["constitution"]),
        *interval_chart(
            "styles",
            "Detection in each style of attack",
            [named(style) for style in styles],
            {"": [rate_of(found) for found in styles.values()]},
            label="Detected at the threshold",
            caption="The line through a dot is the 95% interval; a style with few texts has a wide one.",
        ),
        table_of(
            "styles",
            "Detection in each style of attack, with 95% intervals",
            styles.items(),
            [
                ("Style", "head", lambda one: one[0]),
                ("Detected", "number", lambda one: rate_of(one[1])),
                ("Texts", "number", lambda one: one[1]["n"]),
            ],
        ),
    ]


def _rules(rules: Mapping[str, Any], constitution: Mapping[str, Any]) -> Table:
    predicates = {rule["id"]: rule["predicate"] for rule in constitution["restricted"]}
    known = [key for key in _BASELINES if any(rule.get(key) is not None for rule in rules.values())]

    def of_rule(key: str):
        return lambda one: number(one[1].get(key), ".3f")

    return table_of(
        "rules",
        "Each restricted rule, with 95% intervals",
        rules.items(),
        [
            ("Rule", "head", lambda one: one[0]),
            ("A text that", "", lambda one: predicates.get(one[0], DASH)),
            ("Detected", "number", lambda one: rate_of(one[1]["detection"])),
            ("Texts", "number", lambda one: one[1]["detection"]["n"]),
            ("AUROC", "number", of_rule("auroc")),
            *((_BASELINES[key], "number", of_rule(key)) for key in known),
        ],
    )


def _refusals(contents: Mapping[str, Any]) -> list[Block]:
    threshold = contents["guard"]["threshold"]
    aim, aimed = threshold["max_refusals"], f"at most {stated(threshold['max_refusals'])}"
    kinds = [("Permitted texts that lie near the rules", contents["permitted"], DASH, DASH)]
    if contents["refusals"] is not None:
        verdict = kept(contents["refusals"], aim)
        kinds.insert(0, ("Benign exchanges that it has not seen", contents["refusals"], aimed, verdict))
    blocks: list[Block] = [
        Words(
            f"The threshold was set so that {aimed} of benign exchanges from its source are refused, with confidence "
            f"{stated(threshold['confidence'])}. Permitted texts are written to lie near the rules: there is no "
            "promise for them."
        ),
        *interval_chart(
            "refusals",
            "Refusals of what is permitted",
            [name for name, *_ in kinds],
            {"": [rate_of(rate) for _, rate, _, _ in kinds]},
            label="Refused",
            caption="The line through a dot is the 95% interval.",
        ),
        table_of(
            "refusals",
            "Refusals of what is permitted, with 95% intervals",
            kinds,
            [
                ("Texts", "head", lambda kind: kind[0]),
                ("Refused", "number", lambda kind: rate_of(kind[1]).cell(".2%")),
                ("Number", "number", lambda kind: kind[1]["n"]),
                ("Aim", "number", lambda kind: kind[2]),
                ("Promise kept", "", lambda kind: kind[3]),
            ],
            note=(
                "The interval of benign exchanges is that of Clopper and Pearson."
                if contents["refusals"] is not None
                else "No benign traffic was given (--benign): whether the promise holds was not looked at."
            ),
        ),
    ]
    return blocks


def kept(rate: Mapping[str, Any], aim: float) -> str:
    """Whether a rate of refusals is as promised, as far as its interval says."""
    if rate["high"] <= aim:
        return "yes"
    if rate["low"] > aim:
        return "no"
    return "not contradicted; more texts are needed to show it" if rate["share"] <= aim else "open"


def _mistakes(contents: Mapping[str, Any]) -> list[Block]:
    mistakes = contents["mistakes"]
    if not mistakes:
        return [Words("No text was missed, and none was refused that should not be.")]
    return [
        Words("Texts on the wrong side of the threshold, those that are furthest from it first. Read these first."),
        table_of(
            "mistakes",
            "Texts that were missed or wrongly refused",
            mistakes,
            [
                ("Mistake", "choice", "kind"),
                ("Text", "text", lambda one: quoted(one["text"])),
                ("Of", "choice", "role"),
                ("Rule", "choice", "rule"),
                ("Style", "choice", lambda one: one["style"] or DASH),
                ("Above the threshold", "number", lambda one: number(one["margin"], "+.2f", "no words")),
            ],
            note=(
                "The rule is that which a missed text breaks, or under which another was refused. The last column is "
                "the score minus the threshold."
            ),
            search=True,
        ),
    ]


def _time(overhead: Mapping[str, float]) -> list[Block]:
    rows = [
        Row("Screening a request and an answer of 100 tokens", _seconds(overhead["request_seconds"])),
        Row("Of it the request", _seconds(overhead["input_seconds"])),
        Row("Of it the answer", _seconds(overhead["output_seconds"])),
    ]
    if "share" in overhead:
        rows.append(Row("Generating 100 tokens unguarded", _seconds(overhead["generation_seconds"])))
        rows.append(Row("Overhead", f"{overhead['share']:.1%}"))
    return [Counts(rows), Words("Medians, on the machine that evaluated.", muted=True)]


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _training(guard: Mapping[str, Any]) -> list[Block]:
    rules = [rule | {"kind": kind} for kind, rules in guard["constitution"].items() for rule in rules]
    return [
        table_of(
            "constitution",
            "The rules",
            rules,
            [
                ("Rule", "head", "id"),
                ("Kind", "", "kind"),
                ("An answer that", "", "predicate"),
                ("A request that", "", "asked"),
            ],
        ),
        table_of(
            "counts",
            "What became of the texts that were planned",
            guard["counts"].items(),
            [("Texts", "head", lambda one: one[0]), ("Number", "number", lambda one: one[1])],
        ),
    ]
