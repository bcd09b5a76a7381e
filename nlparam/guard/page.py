"""The report of a guard's evaluation: what it detects, what it refuses wrongly, examples of both, and its time."""

from collections.abc import Collection, Mapping
from typing import Any

from nlparam.results.page.blocks import Block, Counts, Section, Words
from nlparam.results.page.quantities import stated
from nlparam.results.page.rows import Row
from nlparam.results.page.sections import SectionPage, named, number, of_contents, quoted
from nlparam.results.page.tables import charted, table_of
from nlparam.results.page.text import DASH
from nlparam.runtime.words import counted

_BASELINES = {"auroc_knn": "AUROC, nearest texts", "auroc_zero_shot": "AUROC, zero-shot judge"}
# What the texts of a role are, as in the table of the rules.
_ROLES = {"input": "request", "output": "answer"}


def describe_guard(contents: Mapping[str, Any]) -> SectionPage:
    """Chooses what the report shows. **Arguments:** `contents`, as a guard's `Evaluation.as_dict()` gives it."""
    guard = contents["guard"]
    rules, threshold = contents["rules"], guard["threshold"]
    return SectionPage(
        title=_title(rules),
        model="Guard",
        summary=_summary(contents),
        facts=[
            Row("Rules", f"{len(rules):,} restricted, {len(guard['constitution']['permitted']):,} permitted"),
            *_aim(threshold),
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
    return SectionPage(
        title=_title(contents["constitution"]["restricted"]),
        model="Guard",
        summary="The guard is trained. What it detects, `nlparam guard evaluate` measures.",
        facts=_aim(contents["threshold"]),
        warnings=list(contents.get("warnings", ())),
        sections=[Section("training", "Training", _training(contents))],
        **of_contents(contents),
    )


def _title(restricted: Collection[Any]) -> str:
    return f"A guard with {counted(len(restricted), 'restricted rule')}"


def _aim(threshold: Mapping[str, Any]) -> list[Row]:
    aim = f"at most {stated(threshold['max_refusals'])}, confidence {stated(threshold['confidence'])}"
    set_on = f"{threshold['value']:.3f}, set on {threshold['n_texts']:,} benign exchanges"
    return [Row("Refusals aimed at", aim), Row("Threshold", set_on)]


def _summary(contents: Mapping[str, Any]) -> str:
    """In sentences: what is detected, what is refused that should not be, and whether the promise is kept."""
    rules, aim = contents["rules"], contents["guard"]["threshold"]["max_refusals"]
    n_texts = sum(rule["detection"]["n"] for rule in rules.values())
    found = "No restricted text was tried."
    if n_texts:
        detected = sum(rule["detection"]["n"] * rule["detection"]["share"] for rule in rules.values()) / n_texts
        unseen = (
            " in styles that it was not trained for" if contents["settings"]["attacks"] == "held-out styles" else ""
        )
        found = f"The guard detects {detected:.1%} of {counted(n_texts, 'restricted text')}{unseen}."
    tried = {name: one["detection"] for name, one in rules.items() if one["detection"]["n"]}
    if len(tried) > 1:
        least = min(tried, key=lambda name: tried[name]["share"])
        found += f" It detects least of the rule “{named(least, 100)}”: {tried[least]['share']:.1%}."
    if (rate := contents["refusals"]) is not None and rate["n"]:
        found += (
            f" It refuses {rate['share']:.2%} of {counted(rate['n'], 'benign exchange')} that it has not seen. "
            f"At most {stated(aim)} was promised. Kept: {kept(rate, aim)}."
        )
    if (near := contents["permitted"])["n"]:
        found += f" Of {counted(near['n'], 'permitted text')} near the rules it refuses {near['share']:.1%}."
    return found


def _detection(contents: Mapping[str, Any]) -> list[Block]:
    predicates = {rule["id"]: rule["predicate"] for rule in contents["guard"]["constitution"]["restricted"]}
    rules = [{"id": name, "predicate": predicates.get(name, DASH)} | one for name, one in contents["rules"].items()]
    styles = [{"name": name, "rate": rate} for name, rate in contents["styles"].items()]
    means = {"AUROC": contents["auroc"]} | {name: contents[key] for key, name in _BASELINES.items()}
    known = [key for key in _BASELINES if any(rule.get(key) is not None for rule in rules)]
    counts = [Row(f"{name}, mean over rules", f"{value:.3f}") for name, value in means.items() if value is not None]
    if (released := contents["released"]) is not None:
        counts.append(Row("Of a restricted answer, let through before it is stopped (mean)", f"{released:.0%}"))
    drawn: Any = {"label": "Detected at the threshold", "interval": "the 95% interval"}
    return [
        *charted(
            "rules",
            "Detection of each rule",
            rules,
            [
                ("Rule", "head", "id"),
                ("A text that", "", "predicate"),
                ("Detected", "drawn", "detection"),
                ("Texts", "number", "detection.n"),
                ("AUROC", "number:.3f", "auroc"),
                *((_BASELINES[key], "number:.3f", key) for key in known),
            ],
            name="Each restricted rule, with 95% intervals",
            **drawn,
        ),
        Counts(counts),
        Words(
            "Detected is the share refused at the threshold, with Wilson's 95% interval. AUROC is of a rule's texts "
            "against permitted ones in the same styles. The synthetic texts are those on which the judge agreed: that "
            "flatters a zero-shot judge.",
            muted=True,
        ),
        *charted(
            "styles",
            "Detection in each style of attack",
            styles,
            [("Style", "head", "name"), ("Detected", "drawn", "rate"), ("Texts", "number", "rate.n")],
            caption="A style with few texts has a wide interval.",
            **drawn,
        ),
    ]


def _refusals(contents: Mapping[str, Any]) -> list[Block]:
    threshold = contents["guard"]["threshold"]
    aim, aimed = threshold["max_refusals"], f"at most {stated(threshold['max_refusals'])}"
    kinds = [
        {"texts": "Permitted texts that lie near the rules", "rate": contents["permitted"], "aim": DASH, "kept": DASH}
    ]
    if (rate := contents["refusals"]) is not None:
        fresh = {"texts": "Benign exchanges that it has not seen", "rate": rate, "aim": aimed, "kept": kept(rate, aim)}
        kinds.insert(0, fresh)
    return [
        Words(
            f"The threshold was set so that {aimed} of benign exchanges from its source are refused, with confidence "
            f"{stated(threshold['confidence'])}. Permitted texts are written to lie near the rules: there is no "
            "promise for them."
        ),
        *charted(
            "refusals",
            "Refusals of what is permitted",
            kinds,
            [
                ("Texts", "head", "texts"),
                ("Refused", "drawn:.2%", "rate"),
                ("Number", "number", "rate.n"),
                ("Aim", "number", "aim"),
                ("Promise kept", "", "kept"),
            ],
            label="Refused",
            interval="the 95% interval",
            note=(
                "The interval of benign exchanges is that of Clopper and Pearson."
                if contents["refusals"] is not None
                else "No benign traffic was given (--benign): whether the promise holds was not looked at."
            ),
        ),
    ]


def kept(rate: Mapping[str, Any], aim: float) -> str:
    """Whether a rate of refusals is as promised, as far as its interval says."""
    if rate["high"] <= aim:
        return "yes"
    if rate["low"] > aim:
        return "no"
    return f"perhaps{'' if rate['share'] <= aim else ' not'}: more texts are needed to show it"


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
                ("What", "choice", lambda one: _ROLES[one["role"]]),
                ("Rule", "choice", "rule"),
                ("Style", "choice", lambda one: one["style"] or DASH),
                ("Above the threshold", "number", lambda one: number(one["margin"], "+.2f", "no words")),
            ],
            note=(
                "The rule is that which a missed text breaks, or under which another was refused. The last column is "
                "the score minus the threshold, in log-odds: what is above 0 is refused."
            ),
            search=True,
        ),
    ]


def _time(overhead: Mapping[str, float]) -> list[Block]:
    rows = [
        Row("Screening a request and an answer of 100 tokens", _seconds(overhead["request_seconds"])),
        Row("The request alone", _seconds(overhead["input_seconds"])),
        Row("The answer alone", _seconds(overhead["output_seconds"])),
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
            [{"texts": name, "n": n} for name, n in guard["counts"].items()],
            [("Texts", "head", "texts"), ("Number", "number", "n")],
        ),
    ]
