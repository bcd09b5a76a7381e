"""`nlparam guard`: from rules to a screen for inputs and outputs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlparam.cli.options import Embedder, Json, Out, Overwrite, Store, TextField, Timeout
from nlparam.cli.output import print_json, print_lines, print_table, print_warnings, printable
from nlparam.cli.run_options import EmbeddingOptions, spread_options

if TYPE_CHECKING:
    from nlparam.guard.evaluation import Evaluation, Rate

app = typer.Typer(no_args_is_help=True, help="Guards: from rules to a screen for inputs and outputs.")

GuardFolder = Annotated[Path, typer.Argument(help="The --out folder of a guard.", show_default=False)]


@app.command()
@spread_options
def train(
    constitution: Annotated[
        Path,
        typer.Argument(help="The rules: YAML with restricted and permitted predicates.", show_default=False),
    ],
    benign: Annotated[
        Path,
        typer.Option(
            help="Traffic that is not to be refused: a file of texts, or of the fields input and output.",
            show_default=False,
        ),
    ],
    out: Out,
    options: EmbeddingOptions,
    max_refusals: Annotated[
        float, typer.Option(help="The share of benign exchanges that may be refused.", metavar="SHARE")
    ] = 0.005,
    confidence: Annotated[
        float, typer.Option(help="How sure that is to be, over the draw of the benign texts.", metavar="SHARE")
    ] = 0.95,
    n_per_rule: Annotated[
        int, typer.Option(help="Inputs, and outputs, written for each rule to train on.", min=4, metavar="N")
    ] = 20,
    n_held_out: Annotated[
        int, typer.Option(help="The same in styles that only `evaluate` sees.", min=0, metavar="N")
    ] = 8,
    text_field: TextField = None,
) -> None:
    """Train a guard: the language model writes texts for each rule, judges them, and two small heads learn from them.

    What was written and judged is stored: after a change of one rule, only what depends on it is asked for again.
    """
    from nlparam.guard.benign import read_benign
    from nlparam.guard.constitution import read_constitution
    from nlparam.guard.plan import Plan

    rules = read_constitution(constitution)
    traffic, warnings = read_benign(benign, text_field=text_field)
    print_warnings(warnings)
    from nlparam.runtime.progress import Progress

    progress = Progress()
    with progress.task("starting", None):
        from nlparam.guard.training import train as train_guard

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
        print_json({"counts": guard.counts, "threshold": guard.threshold._asdict(), "costs": guard.costs.as_dict()})
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
    folder: GuardFolder,
    benign: Annotated[
        Path | None,
        typer.Option(help="Traffic that is not to be refused and that the guard has not seen.", show_default=False),
    ] = None,
    attacks: Annotated[
        Path | None,
        typer.Option(
            help="Labelled texts (fields text, rule, role, style) instead of the synthetic ones in held-out styles.",
            show_default=False,
        ),
    ] = None,
    text_field: TextField = None,
    lm: Annotated[
        str | None,
        typer.Option(
            help="A language model to compare with: as a zero-shot judge, and by the time it takes.",
            metavar="LM",
            show_default=False,
        ),
    ] = None,
    embedder: Embedder = None,
    timeout: Timeout = 60.0,
    store: Store = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder for the evaluation and its report; they quote texts, also benign ones that were refused.",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Evaluate a guard on attack styles that training never saw, on benign traffic, and by its time."""
    import contextlib
    import dataclasses

    from nlparam.runtime.progress import Progress

    progress = Progress()
    with progress.task("starting", None):
        import nlparam.guard.evaluation as evaluation
        from nlparam.denotation.judge import LabelJudge
        from nlparam.guard.benign import read_benign
        from nlparam.guard.folder import Guard
        from nlparam.guard.result import Evaluation
        from nlparam.lm import load_language_model
        from nlparam.lm.engine import Engine
        from nlparam.lm.store import Store as OpenStore
        from nlparam.runtime.costs import Costs

    settings = {
        "guard": str(folder),
        "benign": None if benign is None else str(benign),
        "attacks": evaluation.HELD_OUT if attacks is None else str(attacks),
        "lm": lm,
    }
    if out is not None:
        Evaluation.check(out, settings, overwrite=overwrite)
    guard = Guard.load(folder, embedder=embedder)
    given = None if attacks is None else evaluation.read_attacks(attacks)
    traffic = None
    if benign is not None:
        traffic, warnings = read_benign(benign, text_field=text_field)
        print_warnings(warnings)
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(OpenStore(store))
        judge = engine = None
        if lm is not None:
            costs = Costs()
            language_model = load_language_model(lm, timeout=timeout)
            engine = stack.enter_context(Engine(language_model, store=opened, costs=costs, timeout=timeout))
            judge = LabelJudge(engine, opened, costs, progress=progress)
        with contextlib.nullcontext() if lm is not None else progress.task("evaluating", None):
            found = evaluation.evaluate(guard, traffic, attacks=given, judge=judge, engine=engine, store=opened)
    if out is not None:
        found = dataclasses.replace(found, settings=found.settings | settings)
        found.save(out, overwrite=overwrite)
        found.report(out / "report.html")
    if json:
        print_json(found.as_dict())
    else:
        _show(found)
        if out is not None:
            print_lines("", f"evaluation: {out}", f"report:     {out / 'report.html'}")


@app.command()
def serve(
    folder: GuardFolder,
    upstream: Annotated[
        str, typer.Option(help="The OpenAI-compatible server to guard.", metavar="URL", show_default=False)
    ],
    host: Annotated[str, typer.Option(help="The address to listen on.", metavar="HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.", metavar="P", min=0, max=65535)] = 8001,
    refusal: Annotated[
        str, typer.Option(help="What is answered instead of what is refused.", metavar="TEXT")
    ] = "I cannot help with that.",
    embedder: Embedder = None,
) -> None:
    """Serve an OpenAI-compatible proxy that screens requests, and stops a stream in its middle."""
    from nlparam.runtime.progress import Progress

    with Progress().task("starting", None):
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


def _show(found: "Evaluation") -> None:
    def number(value: Any) -> str:
        return "" if value is None else f"{value:.3f}"

    rows = [
        (
            rule,
            _rate(said["detection"]),
            number(said["auroc"]),
            number(said.get("auroc_knn")),
            number(said.get("auroc_zero_shot")),
        )
        for rule, said in found.rules.items()
    ]
    print_table(("rule", "detected", "AUROC", "nearest texts", "zero-shot"), rows, numbers=(2, 3, 4))
    print_lines("")
    print_table(("attack style", "detected"), [(printable(style), _rate(rate)) for style, rate in found.styles.items()])
    print_lines("", f"permitted texts refused: {_rate(found.permitted)}")
    if found.refusals is not None:
        print_lines(f"benign traffic refused:  {_rate(found.refusals)}")
    if found.released is not None:
        print_lines(f"let through before a stop: {found.released:.0%} of a restricted output, on average")
    seconds = found.overhead
    line = f"screening a request and an answer of 100 tokens: {seconds['request_seconds'] * 1000:.0f} ms"
    if "share" in seconds:
        line += f", {seconds['share']:.1%} of generating it ({seconds['generation_seconds']:.1f} s)"
    print_lines(line)


def _rate(rate: "Rate") -> str:
    if rate.n == 0:
        return "none"
    return f"{rate.rate:.1%} ({rate.hits} of {rate.n:,}; {rate.low:.1%} to {rate.high:.1%})"
