"""The command line: one command for each thing to do, in the order in which a user meets them.

Nothing heavy is imported before a command runs, so that help appears at once.
"""

import atexit
import gc
import io
import os
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
import typer.core

from nlparam.cli import (
    audit,
    compare,
    decompose,
    doctor,
    evaluate,
    fit,
    guard,
    infer,
    label,
    lm,
    open,
    predict,
    refit,
    report,
    robustness,
    scale,
    simulate,
    store,
    taxonomy,
    update,
)
from nlparam.cli.options import option
from nlparam.cli.output import print_error, shown_warnings
from nlparam.errors import NlparamError
from nlparam.runtime.compiled import keep_compiled


class _Commands(typer.core.TyperGroup):
    """Says in one line what a user can meet and mend; a mistake of our own keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with shown_warnings():
                return super().invoke(ctx)
        except NlparamError as error:
            if os.environ.get("NLPARAM_DEBUG", "0") not in ("", "0"):
                raise
            print_error(f"error: {error}")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            print_error(
                "interrupted: everything judged so far is stored, and the same command goes on from where it stopped"
            )
            raise typer.Exit(130) from None

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order below; Typer would put groups last."""
        del ctx
        return [_name(module) for modules in _PANELS.values() for module in modules]


# A module of several commands has an `app`, one of a single command a function of its own name.
_PANELS = {
    "Analyse texts": (fit, taxonomy, refit, update, compare, predict, label, infer, report, open),
    "Put systems to the test": (robustness, guard, audit, simulate, decompose, evaluate),
    "Set up and look after": (doctor, lm, store, scale),
}


def _name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Statistical models whose parameters are natural-language predicates.",
    epilog="Environment: NLPARAM_LM is the language model where no --lm is given, NLPARAM_CACHE the folder of weights "
    "and caches, NLPARAM_STORE the file of judgments; NLPARAM_DEBUG=1 shows the traceback of an error.",
)
for _panel, _modules in _PANELS.items():
    for _module in _modules:
        if hasattr(_module, "app"):
            app.add_typer(_module.app, name=_name(_module), rich_help_panel=_panel)
        else:
            app.command(rich_help_panel=_panel)(getattr(_module, _name(_module)))


def _show_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        typer.echo(f"nlparam {importlib.metadata.version('nlparam')}")
        raise typer.Exit


@app.callback()
def _top_level(
    version: bool = option(False, "Print the version and exit.", "--version", callback=_show_version, is_eager=True),
) -> None:
    del version


def main() -> None:
    """The console script `nlparam`."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe of another encoding shows what it cannot encode as \u escapes instead of ending the run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    keep_compiled()
    # What the libraries make at import lives as long as the command: to look through it again and again takes a tenth
    # of a short one.
    gc.set_threshold(50_000, 50, 50)
    try:
        app(prog_name="nlparam")
    except SystemExit as ended:
        _end(ended.code)
        raise


def _end(code: str | int | None) -> None:
    """Ends the process without taking everything apart, which takes half a second once JAX was used, and in which
    compiled libraries may crash. Returns where that would lose something: output, the work of a thread, a profile,
    another program that runs the command.
    """
    program = sys.modules["__main__"]
    module = getattr(program, "__spec__", None)
    ours = module.name == "nlparam.__main__" if module else Path(getattr(program, "__file__", "")).stem == "nlparam"
    at_work = any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    if not ours or isinstance(code, str) or at_work or sys.getprofile() or sys.gettrace():
        return
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    os._exit(code or 0)
