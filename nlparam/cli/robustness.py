"""`nlparam robustness`: which claims survive if the predicates are worded in another way."""

import dataclasses
from pathlib import Path

from nlparam.cli import options as shared
from nlparam.cli.options import argument, option
from nlparam.cli.output import print_result, starting
from nlparam.cli.reading import usage_errors
from nlparam.cli.run_options import CallOptions, spread_options
from nlparam.errors import ResultFolderError


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobustnessOptions(CallOptions):
    """What a run takes; the language model is that of the result."""

    lm: str | None = option(
        None, "The language model; by default that of the result.", metavar="LM", envvar="NLPARAM_LM"
    )
    seed: int = shared.SEED
    json: bool = shared.JSON


@spread_options
def robustness(
    options: RobustnessOptions,
    folder: Path = argument("The --out folder of a fit, a taxonomy or a comparison."),
    n: int = option(100, "How many random texts are judged under each wording.", min=10),
    paraphrases: int = option(3, "Wordings of each predicate that the language model writes.", min=0),
    template: list[str] | None = option(
        None, "A wording of your own, with {} in the place of the predicate (can be repeated).", metavar="WORDS"
    ),
    tolerance: float = option(0.1, "By how much a share may change.", metavar="SHARE"),
    confidence: float = option(0.9, "How often the intervals hold.", metavar="SHARE"),
    out: Path | None = option(
        None,
        "A .json file for all figures, its report beside it; by default robustness.json in the folder.",
        metavar="FILE",
    ),
) -> None:
    """Judge random texts under several wordings of each predicate, and say which claims survive.

    A claim is that a predicate holds more often in one group (comparisons and classifications), or for a share of the
    texts. It survives if its conclusion is the same under all wordings.
    """
    with starting() as progress:
        from nlparam.evals.robustness import robustness
        from nlparam.results.load import load

        result = load(folder)
        if not hasattr(result, "labelling"):
            raise ResultFolderError(f"{folder} holds no predicates: give the folder of a fit, taxonomy or comparison")
    out = folder / "robustness.json" if out is None else out
    settings = options.settings() | {"overwrite": options.overwrite, "progress": progress, "out": out}
    with usage_errors():
        found = robustness(
            result,
            n_texts=n,
            n_paraphrases=paraphrases,
            templates=template or (),
            tolerance=tolerance,
            confidence=confidence,
            **settings,
        )
    print_result(found, "claims", json=options.json, out=out)
