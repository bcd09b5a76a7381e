"""Solutions run against their tests in the sandbox: verdicts, and pass rates by library and by perturbation."""

import dataclasses
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from nlparam.errors import CorpusError, FitWarning, SandboxError
from nlparam.evals.code.page import describe_execution
from nlparam.evals.code.problems import CodeProblem, bare_code
from nlparam.language.asking import ask
from nlparam.language.prompting import load_prompt
from nlparam.lm.engine import Engine
from nlparam.numerics.statistics.rates import Rate, rate
from nlparam.results.jsonable import jsonable
from nlparam.results.page.sections import AbstractPage
from nlparam.results.result import AbstractRecord
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress
from nlparam.runtime.sandbox import LIBRARIES, Limits, Problem, Verdict, enforced, run_problems

# Without these two the kernel would not stop a solution that wants to read or write elsewhere.
_NEEDED = {"landlock", "seccomp"}
# What the file of an evaluation says of a problem, beside its identifier.
_KEPT = ("library", "perturbation", "number", "origin")


@dataclasses.dataclass(frozen=True)
class Evaluation(AbstractRecord):
    """Which solutions pass.

    **Attributes:** `problems`, `solutions` and `verdicts`, aligned; `enforced`, what confined the solutions; `overall`,
    `by_library`, `by_perturbation`: pass rates with Wilson intervals. `n_wrong_form` counts solutions that do what they
    should in a form that was ruled out (they do not pass); `n_broken` problems whose tests do not run here, and
    `unanswered` has the identifiers of those without an answer, which are not among `problems`. Both are in no rate.
    `settings` and `costs` say how it came about, `probe` and `explanation` what `probe` and `explain_drop` found, as
    their `as_dict` has it. Loaded from a file, the problems are without their texts.
    """

    main = "by_perturbation"
    again = "evaluate again with --overwrite"

    problems: Sequence[CodeProblem]
    solutions: Sequence[str]
    verdicts: Sequence[Verdict]
    enforced: frozenset[str]
    confidence: float = 0.95
    unanswered: Sequence[str] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    costs: Costs | None = None
    probe: Mapping[str, Any] | None = None
    explanation: Mapping[str, Any] | None = None

    @property
    def overall(self) -> Rate:
        return self._rate(range(len(self.problems)))

    @property
    def by_library(self) -> dict[str, Rate]:
        return self._by([problem.library for problem in self.problems])

    @property
    def by_perturbation(self) -> dict[str, Rate]:
        return self._by([problem.perturbation for problem in self.problems])

    @property
    def n_wrong_form(self) -> int:
        return sum(verdict.functional and verdict.surface is False for verdict in self.verdicts)

    @property
    def n_broken(self) -> int:
        return sum(verdict.broken for verdict in self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it, without the problems' own texts."""
        contents = {
            "overall": self.overall,
            "by_library": self.by_library,
            "by_perturbation": self.by_perturbation,
            "wrong_form": self.n_wrong_form,
            "broken_tests": self.n_broken,
            "unanswered": self.unanswered,
            "enforced": sorted(self.enforced),
            "confidence": self.confidence,
            "problems": [
                {"problem_id": problem.identifier}
                | {name: getattr(problem, name) for name in _KEPT}
                | {"passed": verdict.passed, **vars(verdict), "code": solution}
                for problem, solution, verdict in zip(self.problems, self.solutions, self.verdicts, strict=True)
            ],
            "versions": self.versions,
        }
        more = {name: getattr(self, name) for name in ("settings", "costs", "probe", "explanation")}
        return jsonable(contents | {name: value for name, value in more.items() if value})

    @classmethod
    def from_dict(cls, contents: dict[str, Any]) -> "Evaluation":
        kept = contents["problems"]
        solutions = [one["code"] for one in kept]
        given = {"problems": list(map(_problem, kept)), "solutions": solutions, "verdicts": kept}
        return super().from_dict(contents | given)

    def page(self, *, probe: Any = None, explanation: Any = None) -> AbstractPage:
        """Its report, with what `probe` and `explain_drop` found if that is given."""
        found = {"probe": probe, "explanation": explanation}
        return describe_execution(self.as_dict() | {name: jsonable(one) for name, one in found.items() if one})

    def _by(self, names: list[str]) -> dict[str, Rate]:
        return {name: self._rate([i for i, other in enumerate(names) if other == name]) for name in sorted(set(names))}

    def _rate(self, rows) -> Rate:
        run = [self.verdicts[row] for row in rows if not self.verdicts[row].broken]
        return rate(sum(verdict.passed for verdict in run), len(run), confidence=self.confidence)


def _problem(kept: Mapping[str, Any]) -> CodeProblem:
    # Older files have neither the number of a problem nor its origin: then it is paired with no other.
    number = kept.get("number", kept["problem_id"])
    known = {name: kept.get(name, number) for name in _KEPT}
    return CodeProblem(kept["problem_id"], prompt="", context="", reference=None, **known)


def evaluate_code(
    problems: Sequence[CodeProblem],
    solutions: Mapping[str, str | None] | None = None,
    *,
    limits: Limits = LIBRARIES,
    n_workers: int | None = None,
    allow_weaker: bool = False,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> Evaluation:
    """Runs a solution of each problem against its tests.

    **Arguments:** `solutions`, code by the identifier of its problem, `None` for a problem without an answer, which is
    left out; by default the references, which checks the problems; `n_workers`, how many run at a time; `allow_weaker`,
    also run where the system lacks what keeps code away from files and the network.

    Raises `CorpusError` if a solution is missing or all are `None`, `SandboxError` if code cannot be confined here.
    """
    if solutions is None:
        solutions = {problem.identifier: problem.reference for problem in problems if problem.reference is not None}
    missing = [problem.identifier for problem in problems if problem.identifier not in solutions]
    if missing:
        raise CorpusError(
            f"{len(missing)} of {len(problems)} problems have no solution ({', '.join(missing[:5])}): give one each"
        )
    answered = [(problem, solution) for problem in problems if (solution := solutions[problem.identifier]) is not None]
    if not answered:
        raise CorpusError(f"none of {len(problems)} problems was answered: there is nothing to run")
    holding = enforced(limits)
    if not holding >= _NEEDED and not allow_weaker:
        lacking = ", ".join(sorted(_NEEDED - holding))
        raise SandboxError(
            f"this system confines code by {', '.join(sorted(holding))} only, without {lacking}: "
            "use Linux 5.13 or later, a container or a virtual machine with --allow-weaker"
        )
    progress = Progress() if progress is None else progress
    tests = [Problem(problem.context, solution) for problem, solution in answered]
    with progress.task("running solutions", len(tests), unit="problems") as task:
        n_workers = (os.cpu_count() or 1) if n_workers is None else n_workers
        verdicts = run_problems(tests, limits=limits, n_workers=n_workers, on_result=lambda *_: task.advance())
    unanswered = [problem.identifier for problem in problems if solutions[problem.identifier] is None]
    run, code = [problem for problem, _ in answered], [solution for _, solution in answered]
    return Evaluation(run, code, verdicts, holding, confidence, unanswered)


def write_solutions(engine: Engine, problems: Sequence[CodeProblem], *, max_tokens: int = 512) -> dict[str, str | None]:
    """Has a language model solve the problems; what it writes is kept in the engine's store.

    **Returns:** code by the identifier of its problem; `None` where the request failed or was not sent because the
    budget is spent, with a `FitWarning`.
    """
    prompt = load_prompt("solve_code")
    rows = ({"problem": problem.prompt} for problem in problems)
    answers = ask(engine, prompt, rows, bare_code, what="solving", max_tokens=max_tokens)
    if n_missing := sum(answer is None for answer in answers):
        spent = engine.meter.spent
        why = "their requests failed" if spent is None else f"the budget is spent ({spent})"
        warnings.warn(
            f"{n_missing} of {len(problems)} problems were not answered: {why}; they are in no rate, and the same "
            "command goes on from here",
            FitWarning,
            stacklevel=2,
        )
    return {problem.identifier: answer for problem, answer in zip(problems, answers, strict=True)}
