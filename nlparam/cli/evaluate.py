"""`nlparam evaluate`: answers that can be executed."""

import dataclasses
from pathlib import Path
from typing import Any

import typer

from nlparam.cli.options import argument, option, refuse
from nlparam.cli.output import print_result, print_warnings, starting
from nlparam.cli.reading import usage_errors
from nlparam.cli.run_options import EmbeddingOptions, spread_options
from nlparam.errors import BudgetError, CorpusError, LanguageModelError
from nlparam.results.folder import digest_of_content

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
    reference: bool = option(False, "Run the reference solutions: all should pass here."),
    probe: bool = option(False, "Compare original with perturbed problems (memorisation)."),
    explain: int = option(
        0, "With --probe: describe the problems that are lost by this many predicates.", metavar="K", min=0
    ),
    seconds: float = option(60.0, "Seconds that one solution may take.", min=0.1, max=86_400),
    memory: int = option(4096, "MiB of memory that one solution may take.", metavar="MIB", min=64, max=1 << 24),
    n_workers: int | None = option(None, "How many run at a time; by default one per core.", "--workers", min=1),
    allow_weaker: bool = option(False, "Run where the system cannot keep code from files and network. Isolate it."),
    out: Path | None = option(None, "A .json file for every verdict; its report is beside it.", metavar="FILE"),
) -> None:
    """Run solutions of programming problems against their tests, in a sandbox (DS-1000, arXiv 2211.11501).

    A solution passes if it does what it should, and in the form that is asked for. The table has pass rates with 95%
    Wilson intervals, by library and by perturbation.
    """
    both = solutions is not None and reference
    refuse(both, "--reference", "got --solutions too, expected one of the two")
    refuse(bool(explain) and not probe, "--explain", "it explains what --probe finds: give both")
    from nlparam.evals.code import Evaluation
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
    Evaluation.check(out, settings, overwrite=options.overwrite)
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

    def save(**more: Any) -> Evaluation:
        extended = dataclasses.replace(found, **more)
        if out is not None:
            extended.save(out)
        return extended

    # What has been found stands, whatever comes of the rest.
    found = save()
    if probe:
        probed = probe_memory(found, seed=options.seed)
        found = save(probe=probed.as_dict())
        if explain:
            try:
                # It has what the solutions have left of the budget.
                explained = explain_drop(found, probed, n_predicates=explain, **asking | {"budget": meter.left})
                found = save(explanation=explained.as_dict(), costs=costs + explained.fit.costs)
            except (BudgetError, CorpusError, LanguageModelError) as error:
                print_warnings([f"nothing is explained: {error}"])
    print_result(found, "rates", "probe", "explanation", json=options.json, out=out)
