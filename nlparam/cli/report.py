"""`nlparam report`: the report of a fit, made again."""

from typing import Annotated

import typer

from nlparam.cli.options import Folder
from nlparam.cli.posterior import kept_posterior
from nlparam.errors import FitFolderError


def report(
    folder: Folder,
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the web browser.")] = False,
) -> None:
    """Build report.html in the folder of a fit anew and print its path.

    Samples of a posterior in the folder are shown as credible intervals.
    """
    from nlparam.folder import load

    path = folder / "report.html"
    fit = load(folder)
    posterior = kept_posterior(fit, folder)
    try:
        fit.report(path, posterior=posterior)
    except OSError as error:
        raise FitFolderError(f"{path} cannot be written ({error}): change the permissions of the folder") from error
    typer.echo(path)
    if open_it:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
