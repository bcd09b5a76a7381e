"""`nlparam open`: the page of a result, to look at, mark and edit."""

from pathlib import Path

from nlparam.cli import options as shared
from nlparam.cli.options import argument, option
from nlparam.cli.output import print_error, print_lines, starting
from nlparam.cli.run_options import CallOptions, spread_options


@spread_options
def open(
    options: CallOptions,
    folder: Path = argument("The --out folder of a taxonomy, a fit or a comparison."),
    port: int = option(0, "Serve on this port; by default on one that is free.", min=0, max=65535),
    who: str | None = option(None, "Who marks texts; by default your user name.", metavar="NAME"),
    browser: bool = option(True, "Open it in the web browser."),
    lm: str | None = option(None, "Where the language model is that a refit asks, if it has moved.", metavar="LM"),
    calibration: Path | None = shared.CALIBRATION,
) -> None:
    """Show a result in the browser to mark its texts, search them, and edit its tree, until Ctrl-C.

    Only this machine can reach the page, and only with the address that is printed. Each edit is in taxonomy.yaml, each
    mark in labels.csv of the folder, before the page says so. A refit from the page asks as `nlparam refit` does.
    """
    with starting():
        from nlparam.results.serving.desk import opened
        from nlparam.results.serving.server import serving

    desk = opened(folder, who=who, asking=options.settings() | {"lm": lm, "calibration": calibration})
    desk.html()  # made before anybody waits for it
    with serving(desk, port=port) as address:
        print_lines(address)
        print_error("the page is served to this machine until Ctrl-C; the address has a token: keep it to yourself")
        if browser:
            import webbrowser

            webbrowser.open(address)
        try:
            _wait()
        except KeyboardInterrupt:
            print_error("closed; edits and marks are in the folder")


def _wait() -> None:
    import threading

    threading.Event().wait()
