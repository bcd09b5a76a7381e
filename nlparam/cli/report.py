"""`nlparam report`: the report of a result of any kind, made again, and its figures as files."""

from pathlib import Path

import typer

from nlparam.cli.options import argument, option, refuse
from nlparam.errors import ResultFolderError

_FORMATS = {"svg": ("svg",), "png": ("png",), "both": ("svg", "png")}


def report(
    folder: Path = argument("The --out folder (or .json file) of any result."),
    figures: Path | None = option(None, "Write every figure into this folder, too."),
    form: str | None = option(None, "Of the figures: svg, png or both; by default both.", "--format"),
    open_it: bool = option(False, "Show it in the web browser.", "--open"),
) -> None:
    """Build report.html in the folder of a result anew (or beside its file) and print its path.

    Samples of a posterior in the folder of a fit are shown as credible intervals.
    """
    unknown = form is not None and form not in _FORMATS
    refuse(unknown, "--format", f"got {form!r}, expected one of {', '.join(_FORMATS)}")
    refuse(form is not None and figures is None, "--format", "got no --figures, to which it belongs")
    from nlparam.results.folder import report_of
    from nlparam.results.load import load

    result = load(folder)
    path = report_of(folder)
    shown = result.beside(folder)
    try:
        result.report(path, **shown)
        drawn = result.figures(figures, formats=_FORMATS[form or "both"], **shown) if figures else []
    except OSError as error:
        raise ResultFolderError(
            f"{error.filename or path} cannot be written ({error}): change its permissions"
        ) from error
    for written in (path, *drawn):
        typer.echo(written)
    if open_it:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
