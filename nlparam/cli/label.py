"""`nlparam label`: people say what holds for texts, question by question; how many labels are needed; who agrees."""

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nlparam.cli import options as shared
from nlparam.cli.options import argument, option, refuse
from nlparam.cli.output import print_json, print_lines, print_section, print_table, print_warnings, printable, starting
from nlparam.errors import ResultFolderError
from nlparam.runtime.words import agree, counted

if TYPE_CHECKING:
    from nlparam.denotation.labelling import Labelling, Need
    from nlparam.denotation.labels import Labelled

# Texts to label where neither --n nor --half-width says how many.
_N = 100
# Characters of a text that are shown at first; lines of a text are broken at so many characters.
_SHOWN, _WIDTH = 1500, 100
_KEYS = "y yes, n no, s skip, b back, m more, q quit"
_NEXT_SHOWN = 3


def label(
    folder: Path = argument("The --out folder of a fit, a taxonomy or a comparison."),
    who: str | None = option(None, "Who labels; by default your name on this machine.", metavar="NAME"),
    n: int | None = option(
        None, f"How many random texts to label; by default what --half-width needs, else {_N}.", metavar="N", min=1
    ),
    half_width: float | None = option(None, "The wanted precision: shares that are known to plus or minus this."),
    plan: bool = option(
        False, "Ask nothing: say what there is, how many labels are needed, and what is next.", "--plan"
    ),
    agreement: bool = option(
        False, "Ask nothing: say how people agree with the language model and with each other.", "--agreement"
    ),
    confidence: float = option(0.9, "How often the intervals hold.", metavar="SHARE"),
    as_json: bool = shared.JSON,
) -> None:
    """Label random texts for the predicates of a result: the answers go to labels.csv in its folder, one by one.

    Nothing shows what the language model says. `nlparam infer FOLDER` then corrects its figures by the labels.
    """
    refuse(as_json and not (plan or agreement), "--json", "got neither --plan nor --agreement, to which it belongs")
    with starting():
        from nlparam.cli.reading import usage_errors
        from nlparam.corpus.marks import LABELS_FILE, has_rows, user_name
        from nlparam.denotation.agreement import agreement_with_people
        from nlparam.denotation.labels import Labelled, marks_left_out
        from nlparam.results.load import load

        result = load(folder)
        if not hasattr(result, "labelling"):
            raise ResultFolderError(
                f"{folder} holds no predicates to label: give the folder of a fit, taxonomy or comparison"
            )
        labelling = result.labelling()
        labelled = Labelled.kept(folder, result.corpus.texts, labelling.predicates)
        path = folder / LABELS_FILE
        n_others, n_marked = 0, 0
        if has_rows(path):
            drawn = Labelled.read(path, result.corpus.texts, marked=False)
            n_others = len(drawn) - len(labelled)
            n_marked = len(Labelled.read(path, result.corpus.texts)) - len(drawn)
        precision = 0.05 if half_width is None else half_width
        with usage_errors():
            needed = labelling.needed(labelled, precision, confidence=confidence)
            agreed = labelling.agreement(labelled, confidence=confidence)
    if n_others:
        are = agree(n_others, "is", "are")
        print_warnings([f"{counted(n_others, 'label')} in {path} {are} of other texts or predicates, and left out"])
    if n_marked:
        print_warnings([marks_left_out(n_marked, path)])
    wanted = n or (_N if half_width is None else max(need.n_texts for need in needed))
    wanted = min(wanted, len(labelling.texts))
    if as_json:
        found = {
            "labels": path,
            "n_labels": len(labelled),
            "predicates": labelling.predicates,
            "needed": needed if plan else [],
            "agreement": agreed if agreement else [],
            "next": [{"text": text, "inclusion": chance} for text, chance in _next(labelling, labelled, wanted)],
        }
        print_json(found)
        return
    if agreement and (section := agreement_with_people(agreed, confidence=confidence)) is not None:
        print_section(section)
    elif agreement:
        print_lines("there are no labels yet: `nlparam label FOLDER` asks for them")
    if plan:
        _print_plan(path, labelling, labelled, needed, precision, wanted)
    if not (plan or agreement):
        _ask(path, labelling, labelled, who=user_name() if who is None else who, n=wanted)
        print_lines("", f"agreement:  nlparam label {folder} --agreement")
        compared = result.main == "comparison.json"
        use = f"compare ... --out {folder} --overwrite" if compared else f"infer {folder}"
        print_lines(f"figures:    nlparam {use}")


def _ask(path: Path, labelling: "Labelling", labelled: "Labelled", *, who: str, n: int) -> None:
    """Asks question after question; each answer is in the file before the next is asked."""
    from nlparam.corpus.corpus import place_of
    from nlparam.corpus.marks import Mark, add_labels, pair
    from nlparam.denotation.labelling import Round

    names = labelled.who or ("",) * len(labelled.texts)
    said = zip(labelled.texts, labelled.predicates, labelled.labels, names, strict=True)
    answers = {pair(text, predicate): value > 0.5 for text, predicate, value, name in said if name == who}
    asked, shown, n_kept = Round(labelling, answers, n), None, 0
    print_lines(f"{counted(n, 'random text')}, labelled by {who or 'somebody'}; answers go to {path}", _KEYS)
    while (question := asked.question()) is not None:
        at, predicate = question
        text = labelling.texts[at]
        if shown != at:
            place = printable(place_of(text))
            head = f"--- text {at + 1:,} of {n:,}{', ' if place else ''}{place} " + "-" * 20
            print_lines("", head, *_lines(text[:_SHOWN]))
            if len(text) > _SHOWN:
                print_lines(f"... {counted(len(text) - _SHOWN, 'character')} more: m")
            shown = at
        if predicate in labelling.definitions:
            print_lines("", *str(labelling.definitions[predicate]).split("\n"))
        key = _key(f"{printable(predicate)}? ")
        if key in ("y", "n"):
            add_labels(path, [Mark(text, predicate, "yes" if key == "y" else "no", who)])
            asked.answer(key == "y")
            n_kept += 1
        elif key == "s":
            asked.answer(None)
        elif key == "b":
            if not asked.back():
                print_lines("this is the first question")
        elif key == "m":
            print_lines(*_lines(text))
        elif key == "q":
            break
        else:
            print_lines(_KEYS)
    rest = "" if question is None else f"; `nlparam label {path.parent}` goes on"
    print_lines("", f"{counted(n_kept, 'answer', 'was', 'were')} written to {path}{rest}")
    if asked.skipped:
        skipped = counted(len(asked.skipped), "question")
        print_lines(f"{skipped} skipped: if these are the hard ones, the rest is no random sample")


def _key(question: str) -> str:
    """The key that a person presses, or the first letter of a line that is no terminal's; `q` at the end of it."""
    typer.echo(question, nl=False)
    if sys.stdin.isatty():
        import click

        key = click.getchar()
        if key in ("\x03", "\x04"):
            key = "q"
        typer.echo(key if key.isprintable() else "")
        return key.casefold()
    line = sys.stdin.readline()
    typer.echo()
    return line.strip()[:1].casefold() if line else "q"


def _lines(text: str) -> list[str]:
    """A text in lines that can be read; an empty line stays one."""
    return [part for line in text.strip().split("\n") for part in textwrap.wrap(line, _WIDTH) or [""]]


def _print_plan(
    path: Path, labelling: "Labelling", labelled: "Labelled", needed: "list[Need]", half_width: float, n: int
) -> None:
    people = ", ".join(filter(None, dict.fromkeys(labelled.who))) or "nobody in particular"
    kept = f"{counted(len(labelled), 'label')} by {people} in {path}" if len(labelled) else "there are none yet"
    print_lines(f"labels:  {kept}", f"needed:  for shares to within {half_width:.1%}", "")
    rows = [
        (
            printable(need.share),
            f"{need.n_labels:,}",
            f"{'' if need.known else 'at most '}{need.n_needed:,}" if need.reached else "more texts",
            "" if need.present is None else f"±{need.present:.1%}",
        )
        for need in needed
    ]
    print_table(["share of", "labels", "needed", "now"], rows, numbers=(1, 2, 3))
    if not all(need.known for need in needed):
        print_lines("", "`at most`: with 30 labels it is known how good the language model is, and fewer may do.")
    upcoming = _next(labelling, labelled, n)
    print_lines(
        "",
        f"next:    {len(upcoming):,} of {counted(n, 'random text')} {agree(len(upcoming), 'has', 'have')} no label yet",
    )
    print_lines(*(f"         {printable(text)[:_WIDTH]}" for text, _ in upcoming[:_NEXT_SHOWN]))


def _next(labelling: "Labelling", labelled: "Labelled", n: int) -> list[tuple[str, float]]:
    """Those of the first `n` texts that nobody has labelled, and the probability with which each is among them."""
    known = {text.strip() for text in labelled.texts}
    listed = zip(labelling.texts[:n], labelling.inclusion(n).tolist(), strict=True)
    return [(text, chance) for text, chance in listed if text.strip() not in known]
