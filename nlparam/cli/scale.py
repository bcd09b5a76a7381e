"""`nlparam scale`: embed, judge or denote a corpus that does not fit one machine, on Ray."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nlparam.cli import options as shared
from nlparam.cli.options import option
from nlparam.cli.output import print_json, print_lines
from nlparam.cli.reading import read_predicates, usage_errors
from nlparam.cli.run_options import spread_options
from nlparam.errors import NlparamError
from nlparam.runtime.words import counted

if TYPE_CHECKING:
    from nlparam.scale import JobResult

app = typer.Typer(
    no_args_is_help=True,
    help="Corpora that do not fit one machine: read and write Parquet, on Ray, here or on a cluster.",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScaleOptions:
    """What every `nlparam scale` command takes."""

    texts: list[str] = option(
        ..., "A .parquet or .jsonl file, a folder of such files, or a URI such as s3://bucket/folder; may be repeated."
    )
    out: str = option(..., "The folder for the result, a path or a URI; a job that is there already goes on.")
    text_field: str = option("text", "The field that holds the text.")
    column: list[str] | None = option(
        None, "Another field to carry along into the result; may be repeated.", metavar="NAME"
    )
    keep_text: bool = option(True, "Whether the result holds the texts.", "--text/--no-text")
    batch_size: int = option(
        1000, "How many texts a worker takes at a time; each such block becomes one Parquet part.", min=1
    )
    workers: int | None = option(None, "How many workers; by default as the cluster suggests.", min=1)
    cpus: float | None = option(None, "Processors of each worker.", min=0.0)
    gpus: float | None = option(None, "GPUs of each worker.", min=0.0)
    ray_address: str | None = option(
        None,
        "A Ray cluster, `auto` for the one this machine belongs to; by default RAY_ADDRESS, else this machine alone.",
        metavar="ADDRESS",
    )
    json: bool = shared.JSON

    def arguments(self) -> dict[str, Any]:
        """What `nlparam.scale` functions take beside their own."""
        same = ("text_field", "keep_text", "batch_size", "workers", "cpus", "gpus")
        return {name: getattr(self, name) for name in same} | {
            "columns": tuple(self.column or ()),
            "address": self.ray_address,
        }


@app.command()
@spread_options
def embed(options: ScaleOptions, embedder: str | None = shared.EMBEDDER) -> None:
    """Embed every text: the result has a column `embedding` of unit vectors."""
    with _explained():
        from nlparam import scale

        result = scale.embed(options.texts, options.out, embedder=embedder, **options.arguments())
    _show(result, options)


@app.command()
@spread_options
def judge(
    options: ScaleOptions,
    predicates: Path = option(..., "A file of predicates, one per line."),
    lm: list[str] = option(
        ...,
        "A server, http://HOST:PORT/v1#MODEL (repeat it for several that serve one model), or what every worker is to "
        "load: `embedded`, `embedded:NAME`, a .gguf file, `vllm:MODEL`.",
        metavar="LM",
    ),
    timeout: float | None = option(None, "Seconds that one call may take.", min=0.1),
    store: str | None = option(
        None, "The file on each machine that keeps judgments while a block is not finished; `:memory:` for none."
    ),
    retry_failures: bool = option(False, "Ask again for answers that an earlier run could not get."),
) -> None:
    """Judge every text for every predicate: the result has a column P(predicate) for each."""
    sentences = read_predicates(predicates)
    with _explained():
        from nlparam import scale

        asking = {"lm": lm, "store": store, "timeout": timeout, "retry_failures": retry_failures}
        result = scale.judge(options.texts, sentences, options.out, **asking, **options.arguments())
    _show(result, options)


@app.command()
@spread_options
def denote(
    options: ScaleOptions, fit: Path = option(..., "The --out folder of a fit."), embedder: str | None = shared.EMBEDDER
) -> None:
    """Denote every text by a saved fit, without a language model: a column P(predicate) for each of its predicates."""
    with _explained():
        from nlparam import scale

        result = scale.denote(options.texts, fit, options.out, embedder=embedder, **options.arguments())
    _show(result, options)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """A `ValueError` about arguments is a mistake in the command; a cluster may be out of reach."""
    try:
        with usage_errors():
            yield
    except ConnectionError as error:
        raise NlparamError(str(error)) from error


def _show(result: "JobResult", options: ScaleOptions) -> None:
    if options.json:
        print_json(result)
        return
    rate = f" ({result.new_texts / result.seconds:,.0f} a second)" if result.new_texts else ""
    costs = result.new_costs
    print_lines(
        f"texts:   {result.n_texts:,} in {counted(result.n_parts, 'part')}, {result.n_blank:,} of them blank",
        f"new:     {counted(result.new_texts, 'text')} in {result.seconds:,.1f} s{rate}",
    )
    if costs.calls or costs.judgments_served:
        print_lines(
            f"asked:   {counted(costs.calls, 'call')}, {counted(costs.tokens, 'token')}, "
            f"{counted(costs.judgments_served, 'judgment')} from the store"
        )
    if result.n_failures:
        print_lines(f"missing: {counted(result.n_failures, 'answer', 'is', 'are')} null; --retry-failures asks again")
    print_lines(f"result:  {result.folder}/parts")
