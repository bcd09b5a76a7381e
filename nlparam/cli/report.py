"""`nlparam report`: the report of a result of any kind, made again, and its figures as files."""

from pathlib import Path
from typing import Annotated

import typer

from nlparam.cli.run_fit import shown_warnings
from nlparam.errors import ResultFolderError

_FORMATS = {"svg": ("svg",), "png": ("png",), "both": ("svg", "png")}


def report(
    folder: Annotated[Path, typer.Argument(help="The --out folder of any result.", show_default=False)],
    figures: Annotated[
        Path | None, typer.Option("--figures", help="Write every figure into this folder, too.", show_default=False)
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="Of the figures: svg, png or both; by default both.", show_default=False),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the web browser.")] = False,
) -> None:
    """Build report.html in the folder of a result anew and print its path.

    Samples of a posterior in the folder of a fit are shown as credible intervals.
    """
    if form is not None and form not in _FORMATS:
        raise typer.BadParameter(f"got {form!r}, expected one of {', '.join(_FORMATS)}", param_hint="'--format'")
    if form is not None and figures is None:
        raise typer.BadParameter("got no --figures, to which it belongs", param_hint="'--format'")
    from nlparam.results.load import load

    path = folder / "report.html"
    with shown_warnings():
        result = load(folder)
        shown = result.beside(folder)
    try:
        result.report(path, **shown)
        drawn = result.figures(figures, formats=_FORMATS[form or "both"], **shown) if figures else []
    except OSError as error:
        raise ResultFolderError(
            f"{error.filename or path} cannot be written ({error}): change its permissions"
        ) from error
    typer.echo(path)
    for figure in drawn:
        typer.echo(figure)
    if open_it:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
