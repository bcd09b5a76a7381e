"""`nlparam guard`: from rules to a screen for inputs and outputs."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import typer

from nlparam.cli import options as shared
from nlparam.cli.options import argument, option
from nlparam.cli.output import print_json, print_lines, print_result, print_table, print_warnings, printable, starting
from nlparam.cli.run_options import EmbeddingOptions, spread_options

app = typer.Typer(no_args_is_help=True, help="Guards: from rules to a screen for inputs and outputs.")

GUARD_FOLDER = argument("The --out folder of a guard.")


@app.command()
@spread_options
def train(
    options: EmbeddingOptions,
    constitution: Path = argument("The rules: YAML with restricted and permitted predicates."),
    benign: Path = option(
        ..., "Traffic that is not to be refused: a file of texts, or of the fields input and output."
    ),
    out: Path = shared.OUT,
    max_refusals: float = option(0.005, "The share of benign exchanges that may be refused.", metavar="SHARE"),
    confidence: float = option(0.95, "How sure that is to be, over the draw of the benign texts.", metavar="SHARE"),
    n_per_rule: int = option(20, "Inputs, and outputs, written for each rule to train on.", min=4, metavar="N"),
    n_held_out: int = option(8, "The same in styles that only `evaluate` sees.", min=0, metavar="N"),
    text_field: str | None = shared.TEXT_FIELD,
) -> None:
    """Train a guard: the language model writes texts for each rule, judges them, and two small heads learn from them.

    What was written and judged is stored: after a change of one rule, only what depends on it is asked for again.
    """
    with starting() as progress:
        from nlparam.guard.benign import read_benign
        from nlparam.guard.constitution import read_constitution
        from nlparam.guard.plan import Plan
        from nlparam.guard.training import train as train_guard

    rules = read_constitution(constitution)
    traffic, warnings = read_benign(benign, text_field=text_field)
    print_warnings(warnings)
    settings = options.settings()
    guard = train_guard(
        rules,
        traffic,
        plan=Plan(n_per_rule=n_per_rule, n_held_out=n_held_out, seed=settings.pop("seed")),
        max_refusals=max_refusals,
        confidence=confidence,
        out=out,
        overwrite=options.overwrite,
        progress=progress,
        **settings,
    )
    print_warnings(guard.warnings)
    if options.json:
        print_json({"counts": guard.counts, "threshold": guard.threshold, "costs": guard.costs})
        return
    rows = []
    for rule in guard.constitution.rules:
        own = [e for e in guard.examples if e.rule == rule.id and not e.obfuscation]
        kept = sum(not e.dropped for e in own)
        rows.append((rule.id, "restricted" if rule.restricted else "permitted", f"{len(own)}", f"{kept}"))
    print_table(("rule", "", "written", "kept"), rows, numbers=(2, 3))
    threshold = guard.threshold
    print_lines(
        "",
        f"refusals: at most {threshold.max_refusals:.2%} of benign exchanges from this source, with confidence "
        f"{threshold.confidence:.0%} ({threshold.n_refused} of {threshold.n_texts:,} here)",
        f"guard:    {out}",
    )


@app.command()
def evaluate(
    folder: Path = GUARD_FOLDER,
    benign: Path | None = option(None, "Traffic that is not to be refused and that the guard has not seen."),
    attacks: Path | None = option(
        None, "Labelled texts (fields text, rule, role, style) instead of the synthetic ones in held-out styles."
    ),
    text_field: str | None = shared.TEXT_FIELD,
    lm: str | None = option(
        None, "A language model to compare with: as a zero-shot judge, and by the time it takes.", metavar="LM"
    ),
    embedder: str | None = shared.EMBEDDER,
    timeout: float = shared.TIMEOUT,
    store: Path | None = shared.STORE,
    out: Path | None = option(
        None,
        "A folder for the evaluation and its report; they quote texts, also benign ones that were refused.",
        metavar="FOLDER",
    ),
    overwrite: bool = shared.OVERWRITE,
    json: bool = shared.JSON,
) -> None:
    """Evaluate a guard on attack styles that training never saw, on benign traffic, and by its time."""
    with starting() as progress:
        import nlparam.guard.evaluation as evaluation
        from nlparam.denotation.judge import LabelJudge
        from nlparam.denotation.session import Session, opened
        from nlparam.guard.benign import read_benign
        from nlparam.guard.folder import Guard
        from nlparam.guard.result import Evaluation

    settings = {
        "guard": str(folder),
        "benign": None if benign is None else str(benign),
        "attacks": evaluation.HELD_OUT if attacks is None else str(attacks),
        "lm": lm,
    }
    if out is not None:
        Evaluation.check(out, settings, overwrite=overwrite)
    guard = Guard.load(folder, embedder=embedder)
    given: dict[str, Any] = {"attacks": None if attacks is None else evaluation.read_attacks(attacks)}
    traffic = None
    if benign is not None:
        traffic, warnings = read_benign(benign, text_field=text_field)
        print_warnings(warnings)
    with contextlib.ExitStack() as stack:
        if lm is None:
            given["store"] = stack.enter_context(opened(store))
            stack.enter_context(progress.task("evaluating", None))
        else:
            session = stack.enter_context(Session(lm=lm, store=store, timeout=timeout, progress=progress))
            judge = LabelJudge(session.engine, session.store, session.costs, progress=progress)
            given |= {"store": session.store, "engine": session.engine, "judge": judge}
        found = evaluation.evaluate(guard, traffic, **given)
    if out is not None:
        found = dataclasses.replace(found, settings=found.settings | settings)
        found.save(out, overwrite=overwrite)
        found.report(out / "report.html")
    print_result(found, "rules", "styles", "refusals", json=json, out=out)


@app.command()
def serve(
    folder: Path = GUARD_FOLDER,
    upstream: str = option(..., "The OpenAI-compatible server to guard.", metavar="URL"),
    host: str = option("127.0.0.1", "The address to listen on.", metavar="HOST"),
    port: int = option(8001, "The port to listen on.", metavar="P", min=0, max=65535),
    refusal: str = option("I cannot help with that.", "What is answered instead of what is refused.", metavar="TEXT"),
    embedder: str | None = shared.EMBEDDER,
) -> None:
    """Serve an OpenAI-compatible proxy that screens requests, and stops a stream in its middle."""
    with starting():
        import logging

        from nlparam.guard.folder import Guard
        from nlparam.guard.proxy import serve as serve_guard

        guard = Guard.load(folder, embedder=embedder)
    log = logging.getLogger("nlparam.guard")  # what was refused, by which rule; never the text
    log.setLevel(logging.INFO)
    log.addHandler(handler := logging.StreamHandler())
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    print_lines(f"guarding {printable(upstream)} at http://{host}:{port}/v1 (stop with Ctrl+C)")
    try:
        serve_guard(guard, upstream, host=host, port=port, refusal=refusal)
    finally:
        log.removeHandler(handler)
