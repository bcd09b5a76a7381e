"""`nlparam infer`: what a fit lets one say, as the language model sees it or as people do."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import nlparam
from nlparam.cli import options as shared
from nlparam.cli.options import argument, option, refuse
from nlparam.cli.output import print_json, print_lines, print_table, print_warnings, printable, starting
from nlparam.errors import CorpusError, NlparamError
from nlparam.runtime.words import counted


def infer(
    folder: Path = argument("The --out folder of a fit or a taxonomy."),
    labels: Path | None = shared.LABELS,
    target: Literal["judge", "people"] | None = option(
        None, "Whose answers the figures are of; by default those of people if there are labels of them."
    ),
    confidence: float = option(0.9, "How often such intervals hold.", metavar="SHARE"),
    half_width: float | None = option(
        None, "Say how many answers give shares that are known to plus or minus this.", metavar="SHARE"
    ),
    posterior: Literal["nuts", "svi"] | None = option(
        None,
        "Sample the weights, too, with labels as people see the texts: the report then shows credible intervals, and "
        "posterior.nc has the samples.",
    ),
    seed: int = option(0, "Seeds these samples.", min=0, max=2**32 - 1),
    to_label: Path | None = option(
        None, "Write a table of random texts and predicates for people to label, and end.", metavar="FILE.csv"
    ),
    n_texts: int = option(100, "How many texts that table has.", metavar="N", min=1),
    as_json: bool = shared.JSON,
) -> None:
    """Say shares, coefficients and curves with intervals, of texts that did not choose the predicates.

    With labels the errors of the language model are corrected, too; the report of the fit then shows these figures.
    Labels are those of --labels, or of labels.csv in the folder, where `nlparam label` writes them.
    """
    refuse(target == "judge" and labels is not None, "--target", "got --labels too, which are of people")
    with starting() as progress:
        from nlparam.cli.reading import usage_errors
        from nlparam.fitting.inference import keep_inference

    if (folder / "taxonomy.json").exists():
        refuse(posterior is not None, "--posterior", "a taxonomy has no weights to sample")
        refuse(to_label is not None, "--to-label", f"of a taxonomy, use `nlparam label {folder}`")
        _infer_tree(folder, labels, target, confidence, half_width, as_json)
        return
    fit = nlparam.Fit.load(folder)
    if to_label is not None:
        _write_table(to_label, fit.to_label(n_texts))
        return
    found = _labels(folder, labels, target, fit.texts, fit.predicates)
    said = None if labels is None and not found else found
    with usage_errors():
        try:
            inference = fit.inference("judge" if said is None else "people", labels=said, confidence=confidence)
        except CorpusError as error:
            if said is None or labels is not None or target == "people":
                raise
            print_warnings([f"the labels in the folder do not do yet ({error}): the figures are the language model's"])
            said, inference = None, fit.inference(confidence=confidence)
        needed = [] if half_width is None else _needed(fit, half_width, said, confidence)
    if posterior is not None:
        from nlparam.fitting.posterior import keep_posterior

        keep_posterior(fit, fit.posterior(labels=said, method=posterior, seed=seed, progress=progress), folder)
        whom = "the language model" if said is None else "people"
        needed.append(f"posterior: {folder / 'posterior.nc'}, as {whom} would answer")
    if said is not None:
        keep_inference(fit, inference, folder)
    if said is not None or posterior is not None:
        fit.report(folder / "report.html", **fit.beside(folder))
    if as_json:
        print_json(inference)
    else:
        from nlparam.cli.results import show_inference

        show_inference(fit, inference)
        print_lines(*needed)


def _infer_tree(
    folder: Path, given: Path | None, target: str | None, confidence: float, half_width: float | None, as_json: bool
) -> None:
    """The shares of the nodes of a tree, as the language model or as people see them."""
    tree = nlparam.Taxonomy.load(folder)
    labelling = tree.labelling()
    said = _labels(folder, given, target, tree.texts, labelling.predicates)
    found = tree.shares(said, confidence=confidence)
    if as_json:
        print_json(found)
        return
    rows = [
        (node, printable(tree.nodes[node].name), f"{value:.1%} [{low:.1%}, {high:.1%}]", f"{whom} ({n:,})")
        for node, value, low, high, whom, n in zip(*found[:4], found.targets, found.n_answers.tolist(), strict=True)
    ]
    print_table(["node", "predicate", f"share of all texts, {confidence:.0%} interval", "as seen by"], rows)
    if half_width is not None:
        for need in labelling.needed(said, half_width, confidence=confidence):
            number = counted(need.n_needed, "label") if need.reached else "more texts"
            print_lines(f"needed:  {'' if need.known else 'at most '}{number} for {need.share} to ±{half_width:.1%}")


def _labels(
    folder: Path, given: Path | None, target: str | None, texts: Sequence[str], predicates: Sequence[str]
) -> "nlparam.Labelled":
    """The labels of a file that was given, else of that in the folder, if any and the figures are not the judge's."""
    said = nlparam.Labelled.of([])
    if given is not None:
        said = nlparam.Labelled.given(given, texts)
    elif target != "judge":
        said = nlparam.Labelled.kept(folder, texts, predicates)
    refuse(target == "people" and not said, "--target", f"got no --labels: `nlparam label {folder}` asks for them")
    return said


def _needed(fit: "nlparam.Fit", half_width: float, labels: "nlparam.Labelled | None", confidence: float) -> list[str]:
    """How many answers the predicate that needs most of them needs."""
    plan = fit.answers_needed(half_width, labels=labels, confidence=confidence)
    worst = int(plan.n_answers.argmax())
    if not plan.reached.all():
        return [f"needed:  answers to all texts give ±{plan.half_width[worst]:.1%}: more texts are needed"]
    what = "labels" if labels is not None else "texts judged (--inference-texts)"
    return [f"needed:  {plan.n_answers[worst]:,} {what} for ±{half_width:.1%}; now ±{plan.present[worst]:.1%}"]


def _write_table(path: Path, rows: list[dict[str, str]]) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    except FileExistsError as error:
        raise NlparamError(f"{path} is there already, perhaps with labels: choose another name") from error
    except OSError as error:
        raise NlparamError(f"{path} cannot be written ({error}): choose another name") from error
    print_lines(f"{counted(len(rows), 'row')} to label: {path}")
