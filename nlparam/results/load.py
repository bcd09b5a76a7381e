"""`load`: a result of any kind from its folder or file."""

from pathlib import Path
from typing import Any

from nlparam.errors import ResultFolderError
from nlparam.results.folder import KINDS, RECORDS, read_record


def load(path: str | Path, **options: Any) -> Any:
    """Loads a result that `save` or the command line wrote: a `Fit`, a `Taxonomy`, a `Comparison`, a guard or its
    evaluation, an audit from their folders; a decomposition, a test of explanations, an evaluation of code from their
    JSON files.

    It needs no language model and runs no code. Where the kind is known, `nlparam.Fit.load(folder)` and its like do the
    same and have a type.

    **Arguments:** `options`, what a kind of result needs where it cannot be found:

    - `model` (of a fit): the class of the model, or the model itself, if it cannot be imported under its own name (a
      class or a NumPyro program that was defined in a script or notebook).
    - `embedder` (of a fit, a taxonomy or a guard): what embeds new texts, if it was an object of your own or has moved
      since. It must be the embedder that the result was made with; that is checked when it is used.

    Raises `ResultFolderError` if the path holds no result, an incomplete one, or one of a newer format.
    """
    path = Path(path)
    if path.is_file():
        contents = read_record(path)
        kind = next(kind for field, kind in RECORDS.items() if field in contents)
        return kind.cls().load(path, **options)
    for main, kind in KINDS.items():
        if (path / main).exists():
            return kind.cls().load(path, **options)
    names = ", ".join(KINDS)
    raise ResultFolderError(
        f"{path} holds no result of nlparam (there is none of {names} in it): give the --out folder of a fit, a "
        "taxonomy or a comparison"
    )
