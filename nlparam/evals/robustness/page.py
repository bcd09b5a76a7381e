"""The report of claims under several wordings."""

from collections.abc import Mapping
from typing import Any

from nlparam.results.page.blocks import Block, Heading, Section, Words
from nlparam.results.page.quantities import stated
from nlparam.results.page.rows import Row
from nlparam.results.page.sections import Interval, SectionPage, of_contents, quoted
from nlparam.results.page.tables import Declared, table_of
from nlparam.runtime.words import counted


def describe_robustness(contents: Mapping[str, Any], outcomes: Mapping[str, str]) -> SectionPage:
    """Chooses what the report shows.

    **Arguments:** `contents`, as `Robustness.as_dict()` gives it; `outcomes`, what each outcome means.
    """
    claims, n_texts = contents["claims"], contents["n_texts"]
    summed = [
        ("Predicate", "head", lambda one: quoted(one["predicate"])),
        ("Claim", "", "claim"),
        ("Conclusion", "choice", lambda one: outcomes[one["outcome"]]),
        ("Wordings", "number", lambda one: len(one["wordings"])),
        ("Least kappa", "number:.2f", _least_kappa),
        ("Why", "", "reason"),
    ]
    return SectionPage(
        title=f"Are {counted(len(claims), 'claim')} robust to wording?",
        model="Robustness",
        summary=(
            f"This page shows {counted(len(claims), 'claim')} of a result under several wordings of each predicate, "
            f"judged on the same {n_texts:,} random texts. A claim survives if its conclusion is the same under all."
        ),
        facts=[
            Row("Claims that survive", f"{contents['n_survive']:,} of {len(claims):,}"),
            Row("Texts", f"{n_texts:,}"),
            Row("A share may change by", f"{contents['tolerance']:.0%}"),
            Row("Intervals", stated(contents["confidence"])),
        ],
        warnings=list(contents.get("notes", ())),
        sections=[
            Section("claims", "Claims", [table_of("claims", "Claims under all wordings", claims, summed)]),
            Section("wordings", "Wordings", _wordings(claims), "Wordings"),
        ],
        **of_contents(contents),
    )


def _least_kappa(claim: Mapping[str, Any]) -> float | None:
    """The least agreement of a wording with that of the result."""
    found = [one["agreement"]["concord"]["kappa"] for one in claim["wordings"] if one["agreement"]]
    return min((kappa for kappa in found if kappa is not None), default=None)


def _wordings(claims: list[Mapping[str, Any]]) -> list[Block]:
    blocks: list[Block] = [
        Words(
            "The first wording of each table is that of the result. Read the others: a paraphrase may mean something "
            "else, and then says nothing against the claim. Kappa is the agreement of the answers with those to the "
            "first wording."
        )
    ]
    for number, claim in enumerate(claims, 1):
        columns: list[Declared] = [
            ("Wording", "head", lambda one: quoted(one["wording"])),
            ("Share", "number:.0%", lambda one: Interval.read(one, "share")),
            ("Change", "number:+.0%", lambda one: _change(one)),
            ("Kappa", "number:.2f", lambda one: _kappa(one)),
        ]
        if claim["group"] is not None:
            effect = lambda one: Interval.read(one["effect"] or {}, "effect")  # noqa: E731
            columns.append((f"More in {claim['group']}", "number:+.0%", effect))
        blocks += [
            Heading(f"{number}. {claim['predicate']}"),
            table_of(f"wordings-{number}", claim["claim"], claim["wordings"], columns),
        ]
    return blocks


def _change(one: Mapping[str, Any]) -> Interval:
    return Interval.read({"value": one["change"], "low": one["change_low"], "high": one["change_high"]})


def _kappa(one: Mapping[str, Any]) -> Interval | None:
    agreement = one["agreement"]
    if agreement is None or agreement["concord"]["kappa"] is None:
        return None
    return Interval.read(agreement | agreement["concord"], "kappa")
