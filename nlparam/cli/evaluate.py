"""`nlparam evaluate`: answers that can be executed."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nlparam.cli.options import argument, option, refuse
from nlparam.cli.output import print_json, print_lines, print_table, print_warnings, printable, starting
from nlparam.cli.reading import usage_errors
from nlparam.cli.run_options import EmbeddingOptions, spread_options
from nlparam.errors import BudgetError, CorpusError, LanguageModelError
from nlparam.results.folder import check_result_file, digest_of_content, report_beside

if TYPE_CHECKING:
    from nlparam.evals.code import Evaluation, Explanation, Probe
    from nlparam.numerics.statistics.rates import Rate

app = typer.Typer(no_args_is_help=True, help="Evaluate what can be executed.")


@app.callback()
def _evaluate() -> None:
    """A group with one command for now."""


@app.command()
@spread_options
def code(
    options: EmbeddingOptions,
    problems: Path = argument("Problems in the format of DS-1000, one JSON object per line."),
    solutions: Path | None = option(
        None,
        "Solutions, one JSON object per line: problem_id and code. By default the language model solves.",
        metavar="FILE",
    ),
    reference: bool = option(False, "Run the reference solutions: all should pass here.", "--reference"),
    probe: bool = option(False, "Compare original with perturbed problems (memorisation).", "--probe"),
    explain: int = option(
        0, "With --probe: describe the problems that are lost by this many predicates.", metavar="K", min=0
    ),
    seconds: float = option(60.0, "Seconds that one solution may take.", metavar="N", min=0.1, max=86_400),
    memory: int = option(4096, "MiB of memory that one solution may take.", metavar="MIB", min=64, max=1 << 24),
    n_workers: int | None = option(None, "How many run at a time; by default one per core.", "--workers", min=1),
    allow_weaker: bool = option(
        False, "Run where the system cannot keep code from files and network. Isolate it.", "--allow-weaker"
    ),
    out: Path | None = option(None, "A .json file for every verdict; its report is beside it.", metavar="FILE"),
) -> None:
    """Run solutions of programming problems against their tests, in a sandbox (DS-1000, arXiv 2211.11501).

    A solution passes if it does what it should, and in the form that is asked for. The table has pass rates with 95%
    Wilson intervals, by library and by perturbation.
    """
    both = solutions is not None and reference
    refuse(both, "--reference", "got --solutions too, expected one of the two")
    refuse(bool(explain) and not probe, "--explain", "it explains what --probe finds: give both")
    from nlparam.evals.code.problems import read_problems, read_solutions

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
    with starting() as progress:
        from nlparam.denotation.session import Session
        from nlparam.evals.code import evaluate_code, explain_drop, write_solutions
        from nlparam.evals.code import probe as probe_memory
        from nlparam.runtime.budget import Meter
        from nlparam.runtime.costs import Costs
        from nlparam.runtime.sandbox import Limits

    with usage_errors():
        limits = Limits(profile="libraries", seconds=seconds, memory=memory << 20)
    asking: dict[str, Any] = options.settings() | {"progress": progress}
    costs = Costs()
    meter = Meter(costs, asking["budget"])
    if given is None and not reference:
        with Session(**{name: asking[name] for name in ("lm", "store", "timeout", "budget", "progress")}) as session:
            costs, meter = session.costs, session.meter
            with costs.stage("solving"):
                given = write_solutions(session.engine, read)
    found = evaluate_code(read, given, limits=limits, n_workers=n_workers, allow_weaker=allow_weaker, progress=progress)
    found = dataclasses.replace(found, settings=settings, costs=costs if costs.seconds else None)

    def save(**more: Any) -> "Evaluation":
        extended = dataclasses.replace(found, **more)
        if out is not None:
            extended.save(out)
        return extended

    # What has been found stands, whatever comes of the rest.
    found = save()
    probed = explained = None
    if probe:
        probed = probe_memory(found, seed=options.seed)
        found = save(probe=probed.as_dict())
    if probed is not None and explain:
        try:
            # It has what the solutions have left of the budget.
            explained = explain_drop(found, probed, n_predicates=explain, **asking | {"budget": meter.left})
            found = save(explanation=explained.as_dict(), costs=costs + explained.fit.costs)
        except (BudgetError, CorpusError, LanguageModelError) as error:
            print_warnings([f"nothing is explained: {error}"])
    if options.json:
        print_json(found.as_dict())
    else:
        _show(found, probed, explained, out)


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
