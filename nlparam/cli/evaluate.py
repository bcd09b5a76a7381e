"""`nlparam evaluate`: answers that can be executed."""

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlparam.cli.output import print_json, print_lines, print_table, print_warnings, printable
from nlparam.cli.run_fit import shown_warnings, usage_errors
from nlparam.cli.run_options import EmbeddingOptions, spread_options
from nlparam.errors import BudgetError, CorpusError, LanguageModelError
from nlparam.results.folder import check_result_file, digest_of_content, report_beside, write_result_file

if TYPE_CHECKING:
    from nlparam.evals.code import Evaluation, Explanation, Probe
    from nlparam.numerics.statistics.rates import Rate
    from nlparam.runtime.budget import Meter

app = typer.Typer(no_args_is_help=True, help="Evaluate what can be executed.")


@app.callback()
def _evaluate() -> None:
    """A group with one command for now."""


@app.command()
@spread_options
def code(
    problems: Annotated[
        Path, typer.Argument(help="Problems in the format of DS-1000, one JSON object per line.", show_default=False)
    ],
    options: EmbeddingOptions,
    solutions: Annotated[
        Path | None,
        typer.Option(
            help="Solutions, one JSON object per line: problem_id and code. By default the language model solves.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Run the reference solutions: all should pass here.")
    ] = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="Compare original with perturbed problems (memorisation).")
    ] = False,
    explain: Annotated[
        int,
        typer.Option(
            help="With --probe: describe the problems that are lost by this many predicates.", metavar="K", min=0
        ),
    ] = 0,
    seconds: Annotated[
        float, typer.Option(help="Seconds that one solution may take.", metavar="N", min=0.1, max=86_400)
    ] = 60.0,
    memory: Annotated[
        int, typer.Option(help="MiB of memory that one solution may take.", metavar="MIB", min=64, max=1 << 24)
    ] = 4096,
    n_workers: Annotated[
        int | None,
        typer.Option("--workers", help="How many run at a time; by default one per core.", min=1, show_default=False),
    ] = None,
    allow_weaker: Annotated[
        bool,
        typer.Option(
            "--allow-weaker", help="Run where the system cannot keep code from files and network. Isolate it."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .json file for every verdict; its report is beside it.", metavar="FILE", show_default=False
        ),
    ] = None,
) -> None:
    """Run solutions of programming problems against their tests, in a sandbox (DS-1000, arXiv 2211.11501).

    A solution passes if it does what it should, and in the form that is asked for. The table has pass rates with 95%
    Wilson intervals, by library and by perturbation.
    """
    if solutions is not None and reference:
        raise typer.BadParameter("got --solutions too, expected one of the two", param_hint="'--reference'")
    if explain and not probe:
        raise typer.BadParameter("it explains what --probe finds: give both", param_hint="'--explain'")
    from nlparam.evals.code.problems import read_problems, read_solutions
    from nlparam.runtime.progress import Progress

    read = read_problems(problems)
    given = read_solutions(solutions, read) if solutions is not None else None
    settings = {
        "problems": digest_of_content([[dataclasses.asdict(problem) for problem in read], given]),
        "solutions": "the references" if reference else options.lm if solutions is None else solutions.name,
        "probe": probe,
        "explain": explain,
        "seconds": seconds,
        "memory (MiB)": memory,
        "seed": options.seed,
    }
    check_result_file(out, settings, overwrite=options.overwrite)
    progress = Progress()
    with progress.task("starting", None):
        from nlparam.evals.code import evaluate_code, execution_report, explain_drop
        from nlparam.evals.code import probe as probe_memory
        from nlparam.lm.store import Store as OpenStore
        from nlparam.runtime.budget import Meter
        from nlparam.runtime.costs import Costs
        from nlparam.runtime.sandbox import Limits

    with usage_errors():
        limits = Limits(profile="libraries", seconds=seconds, memory=memory << 20)
    running, costs = options.settings(), Costs()
    meter = Meter(costs, running["budget"])
    with contextlib.ExitStack() as opened:
        opened.enter_context(shown_warnings())
        kept = opened.enter_context(OpenStore(options.store)) if explain or not (given or reference) else None
        if given is None and not reference:
            given = _written(read, options, kept, meter, progress)
        found = evaluate_code(
            read, given, limits=limits, n_workers=n_workers, allow_weaker=allow_weaker, progress=progress
        )
        contents = found.as_dict() | {"settings": settings}
        if costs.seconds:
            contents["costs"] = costs.as_dict()

        def save() -> None:
            if out is not None:
                write_result_file(out, contents, lambda path: execution_report(contents, path))

        # What has been found stands, whatever comes of the rest.
        save()
        probed = explained = None
        if probe:
            probed = probe_memory(found, seed=options.seed)
            contents["probe"] = probed.as_dict()
            save()
        if probed is not None and explain:
            try:
                # It has the open store, and what the solutions have left of the budget.
                shared = running | {"store": kept, "budget": meter.left}
                explained = explain_drop(found, probed, n_predicates=explain, progress=progress, **shared)
                contents["explanation"] = explained.as_dict()
                contents["costs"] = (costs + explained.fit.costs).as_dict()
                save()
            except (BudgetError, CorpusError, LanguageModelError) as error:
                print_warnings([f"nothing is explained: {error}"])
    if options.json:
        print_json(contents)
    else:
        _show(found, probed, explained, out)


def _written(problems, options: EmbeddingOptions, store, meter: "Meter", progress) -> "dict[str, str | None]":
    from nlparam.evals.code import write_solutions
    from nlparam.lm import load_language_model
    from nlparam.lm.engine import Engine

    model, costs = load_language_model(options.lm, timeout=options.timeout), meter.costs
    with (
        Engine(model, store=store, costs=costs, timeout=options.timeout, progress=progress, meter=meter) as engine,
        costs.stage("solving"),
    ):
        return write_solutions(engine, problems)


def _show(found: "Evaluation", probed: "Probe | None", explained: "Explanation | None", out: Path | None) -> None:
    rows = [_row("all", found.overall)]
    rows += [_row(f"library {name}", found) for name, found in found.by_library.items()]
    rows += [_row(f"perturbation {name}", found) for name, found in found.by_perturbation.items()]
    print_table(("problems", "passed", "of", "rate", "95% interval"), rows, numbers=(1, 2, 3))
    if found.n_wrong_form:
        print_lines(f"\n{found.n_wrong_form} more do what they should, in a form that was ruled out.")
    if found.n_broken:
        reasons = sorted({str(verdict.error) for verdict in found.verdicts if verdict.broken})
        print_warnings([f"the tests of {found.n_broken} problems do not run here: {'; '.join(reasons[:3])}"])
    if probed is not None:
        print_lines("")
        rows = [
            (
                printable(kind),
                str(len(probed.pairs[kind])),
                f"{drop.difference:+.1%}",
                f"{drop.low:+.1%} to {drop.high:+.1%}",
                f"{drop.p_value:.3g}",
                f"{probed.p_adjusted[kind]:.3g}",
            )
            for kind, drop in probed.drops.items()
        ]
        headings = ("original minus", "pairs", "difference", "95% interval", "p (McNemar)", "p (Holm)")
        print_table(headings, rows, numbers=(1, 2, 3, 4, 5))
        if probed.n_unpaired:
            print_warnings([f"{probed.n_unpaired} perturbed problems have no original here: they are left out"])
    if explained is not None:
        print_lines(f"\nWhat {explained.n_lost} lost problems have that {explained.n_kept} kept ones have less often:")
        for line in explained.as_dict()["predicates"]:
            print_lines(f"  {line['difference']:+.2f}  {printable(line['predicate'])}")
    if out is not None:
        print_lines(f"\nverdicts:  {out}", f"report:    {report_beside(out)}")


def _row(name: str, found: "Rate") -> tuple[str, ...]:
    interval = f"{found.low:.1%} to {found.high:.1%}"
    return printable(name), str(found.hits), str(found.n), f"{found.rate:.1%}", interval
