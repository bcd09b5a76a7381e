"""`nlparam report`: the report of a fit, a taxonomy or a comparison, made again, and its figures as files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nlparam.errors import FitFolderError

_FORMATS = {"svg": ("svg",), "png": ("png",), "both": ("svg", "png")}


def report(
    folder: Annotated[
        Path, typer.Argument(help="The --out folder of a fit, a taxonomy or a comparison.", show_default=False)
    ],
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
    from nlparam.report.figures import write_figures

    path = folder / "report.html"
    result, more = _read(folder)
    try:
        _write(result, path, more)
        drawn = write_figures(result, figures, formats=_FORMATS[form or "both"], **more) if figures else []
    except OSError as error:
        raise FitFolderError(f"{error.filename or path} cannot be written ({error}): change its permissions") from error
    typer.echo(path)
    for figure in drawn:
        typer.echo(figure)
    if open_it:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


def _read(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The result in a folder, and what is shown with it: the intervals of a fit, the last update of a taxonomy.

    Raises `FitFolderError` if there is none.
    """
    if (folder / "taxonomy.json").exists():
        from nlparam.report.drift import kept_update
        from nlparam.taxonomies.folder import load as load_taxonomy

        return load_taxonomy(folder), {"update": kept_update(folder)}
    if (folder / "comparison.json").exists():
        from nlparam.comparison import Comparison

        return Comparison.load(folder), {}
    from nlparam.cli.posterior import kept_posterior
    from nlparam.folder import load

    try:
        fit = load(folder)
    except FitFolderError:
        if (folder / "fit.json").exists():
            raise
        raise FitFolderError(
            f"{folder} holds no fit, no taxonomy and no comparison (there is no fit.json, taxonomy.json or "
            "comparison.json in it): give the --out folder of one"
        ) from None
    posterior = kept_posterior(fit, folder)
    if posterior is None:
        return fit, {"intervals": None}
    from nlparam.posterior import credible_intervals
    from nlparam.report import PROBABILITY

    return fit, {"intervals": credible_intervals(posterior, probability=PROBABILITY)}


def _write(result: Any, path: Path, more: dict[str, Any]) -> None:
    from nlparam.comparison import Comparison
    from nlparam.hierarchy import Taxonomy

    if isinstance(result, Taxonomy):
        from nlparam.report.tree import write_taxonomy_report

        write_taxonomy_report(result, path, **more)
    elif isinstance(result, Comparison):
        from nlparam.report.comparison import write_comparison_report

        write_comparison_report(result, path)
    else:
        result.report(path, posterior=more["intervals"])
