"""Problems in the format of DS-1000, and solutions to them."""

import ast
import dataclasses
import gzip
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nlparam.corpus.readers import json_lines
from nlparam.errors import CorpusError

ORIGIN = "Origin"
# The names under which files of solutions keep the code.
_CODE = ("code", "solution", "completion", "answer")
# A fence within a line, or a block: the code may begin in the line of the first fence, and end in that of the last.
_FENCED = re.compile(
    r"```([^\n]+?)```|```(?:[ \t]*[\w+-]*[ \t]*\r?\n)?(.*?)(?:^[ \t]*```|```\s*\Z|\Z)", re.MULTILINE | re.DOTALL
)


@dataclasses.dataclass(frozen=True)
class CodeProblem:
    """One problem.

    **Attributes:** `identifier`; `prompt`, what a language model is given; `context`, code that defines
    `test_execution(solution)` and, where a form is asked for, `test_string(solution)`; `reference`, a solution that
    passes; `library`; `perturbation`, "Origin", "Surface", "Semantic" or "Difficult-Rewrite"; `origin`, the `number`
    (within its library) of the problem that it was made from, its own for an original.
    """

    identifier: str
    prompt: str
    context: str
    reference: str | None
    library: str
    perturbation: str
    number: str
    origin: str


def read_problems(path: str | Path) -> list[CodeProblem]:
    """Reads a file (.jsonl or .jsonl.gz), a problem a line: `prompt`, `code_context`, `reference_code` and `metadata`.

    `metadata` (or the fields themselves, without it) has `problem_id`, `library`, `perturbation_type`,
    `library_problem_id` and `perturbation_origin_id`; only the first is needed where no perturbations are compared.

    Raises `CorpusError` for a file without problems, a missing field, a problem without tests and one that comes twice.
    """
    problems: dict[str, CodeProblem] = {}
    for number, row in _rows(Path(path)):
        problem = _problem(row, f"{path}, line {number}", default=str(number - 1))
        if problem.identifier in problems:
            raise CorpusError(f"{path}, line {number}: problem {problem.identifier} comes twice: give each once")
        problems[problem.identifier] = problem
    if not problems:
        raise CorpusError(f"{path} holds no problems: it is empty")
    return list(problems.values())


def read_solutions(path: str | Path, problems: Sequence[CodeProblem]) -> dict[str, str]:
    """Reads solutions, one a line: `problem_id` (or `id`) and `code`; the code by the identifier of its problem.

    Code is taken out of the marks that language models put around it. Raises `CorpusError` for a problem that is not
    there, is solved twice, or not at all.
    """
    known, solutions = {problem.identifier for problem in problems}, {}
    for number, row in _rows(Path(path)):
        where = f"{path}, line {number}"
        named = _with_metadata(row)
        identifier = str(named.get("problem_id", named.get("id", "")))
        code = next((named[name] for name in _CODE if isinstance(named.get(name), str)), None)
        if code is None:
            raise CorpusError(f"{where}: none of the fields {', '.join(_CODE)} holds code: name the code `code`")
        if identifier not in known:
            raise CorpusError(f"{where}: problem_id is {identifier!r}, expected that of a problem, as {min(known)!r}")
        if identifier in solutions:
            raise CorpusError(f"{where}: problem {identifier} has two solutions: give one each")
        solutions[identifier] = bare_code(code)
    missing = sorted(known - solutions.keys())
    if missing:
        raise CorpusError(
            f"{path} has no solution for {len(missing)} of {len(known)} problems ({', '.join(missing[:5])}): give one "
            "each, with an empty `code` where there is none"
        )
    return solutions


def bare_code(answer: str) -> str:
    """The code of an answer: what is in the first fence, or before the marks at which DS-1000 ends a solution.

    An answer that is Python as a whole has no fence: what looks like one is in a string.
    """
    if "```" in answer and not _is_python(answer) and (fenced := _FENCED.search(answer)):
        answer = fenced[1] or fenced[2] or answer[: fenced.start()]  # one with nothing in it ends what is before it
    for mark in ("</code>", "# SOLUTION END", "END SOLUTION", "### END"):
        answer = answer.split(mark)[0]
    return answer.replace("<code>", "").replace("BEGIN SOLUTION", "").strip("\n")


def _problem(row: Mapping[str, Any], where: str, *, default: str) -> CodeProblem:
    about = _with_metadata(row)
    for name in ("prompt", "code_context"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            got = f"is {str(row[name])[:30]!r}" if name in row else "is missing"
            raise CorpusError(f"{where}: the field {name!r} {got}, expected text (the format of DS-1000)")
    if not _has_tests(row["code_context"], where):
        raise CorpusError(f"{where}: the problem has no tests: code_context defines no test_execution(solution)")
    identifier = str(about.get("problem_id", default))
    number = str(about.get("library_problem_id", identifier))
    reference = row.get("reference_code")
    return CodeProblem(
        identifier=identifier,
        prompt=row["prompt"],
        context=row["code_context"],
        reference=reference if isinstance(reference, str) else None,
        library=str(about.get("library", about.get("lib", "(none)"))),
        perturbation=str(about.get("perturbation_type", ORIGIN)),
        number=number,
        origin=str(about.get("perturbation_origin_id", number)),
    )


def _with_metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    metadata = row.get("metadata")
    return {**row, **metadata} if isinstance(metadata, dict) else dict(row)


def _is_python(code: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _has_tests(context: str, where: str) -> bool:
    try:
        tree = ast.parse(context)
    except (SyntaxError, ValueError) as error:
        raise CorpusError(f"{where}: code_context is not Python: {error}") from error
    return any(isinstance(node, ast.FunctionDef) and node.name == "test_execution" for node in tree.body)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    path = path.expanduser()
    try:
        opening: Any = gzip.open if path.suffix == ".gz" else open
        with opening(path, "rt", encoding="utf-8-sig") as file:
            text = file.read()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CorpusError(f"cannot read {path} ({error}): expected a file of JSON, one object per line") from error
    return json_lines(path, text)
