"""The command line: `nlparam fit`, `predict`, `report`, `doctor`, `lm` and `store`.

Nothing heavy is imported before a command runs, so that help appears at once.
"""

import io
import os
import sys
from typing import Annotated, Any

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
    lm,
    predict,
    refit,
    report,
    scale,
    simulate,
    store,
    taxonomy,
    update,
)
from nlparam.cli.compiled import keep_compiled
from nlparam.cli.output import print_error
from nlparam.errors import NlparamError


class _Commands(typer.core.TyperGroup):
    """Says in one line what a user can meet and mend; a mistake of our own keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
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
        """In the order in which a user meets them; Typer would put groups last."""
        del ctx
        first = [
            name
            for name in (
                "fit",
                "compare",
                "taxonomy",
                "refit",
                "update",
                "predict",
                "report",
                "doctor",
                "lm",
                "store",
                "scale",
            )
            if name in self.commands
        ]
        return first + [name for name in self.commands if name not in first]


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Statistical models whose parameters are natural-language predicates.",
    epilog="Environment: NLPARAM_LM is the language model where no --lm is given, NLPARAM_CACHE the folder of weights and "
    "caches, NLPARAM_STORE the file of judgments; NLPARAM_DEBUG=1 shows the traceback of an error.",
)
app.add_typer(fit.app, name="fit")
app.command()(compare.compare)
app.command()(taxonomy.taxonomy)
app.command()(refit.refit)
app.command()(update.update)
app.command()(predict.predict)
app.command()(report.report)
app.command()(doctor.doctor)
app.add_typer(lm.app, name="lm")
app.add_typer(store.app, name="store")
app.add_typer(scale.app, name="scale")
app.add_typer(guard.app, name="guard")
app.add_typer(evaluate.app, name="evaluate")
app.command()(audit.audit)
app.command()(simulate.simulate)
app.command()(decompose.decompose)


def _show_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        typer.echo(f"nlparam {importlib.metadata.version('nlparam')}")
        raise typer.Exit


@app.callback()
def _top_level(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    del version


def main() -> None:
    """The console script `nlparam`."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe of another encoding shows what it cannot encode as \u escapes instead of ending the run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    keep_compiled()
    app(prog_name="nlparam")
