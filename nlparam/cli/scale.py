"""`nlparam scale`: embed, judge or denote a corpus that does not fit one machine, on Ray."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlparam.cli.options import Embedder, Json
from nlparam.cli.output import print_json, print_lines
from nlparam.cli.run_options import spread_options

if TYPE_CHECKING:
    from nlparam.scale import JobResult

app = typer.Typer(
    no_args_is_help=True,
    help="Corpora that do not fit one machine: read and write Parquet, on Ray, here or on a cluster.",
)

_TEXTS, _CLUSTER, _OUTPUT = "Texts", "Cluster", "Output"

Texts = Annotated[
    list[str],
    typer.Option(
        help="A .parquet or .jsonl file, a folder of such files, or a URI such as s3://bucket/folder; may be repeated.",
        rich_help_panel=_TEXTS,
        show_default=False,
    ),
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScaleOptions:
    """What every `nlparam scale` command takes."""

    texts: Texts
    out: Annotated[
        str,
        typer.Option(
            help="The folder for the result, a path or a URI; a job that is there already goes on.",
            rich_help_panel=_OUTPUT,
            show_default=False,
        ),
    ]
    text_field: Annotated[
        str, typer.Option(help="The field that holds the text.", metavar="NAME", rich_help_panel=_TEXTS)
    ] = "text"
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="Another field to carry along into the result; may be repeated.",
            metavar="NAME",
            rich_help_panel=_TEXTS,
            show_default=False,
        ),
    ] = None
    keep_text: Annotated[
        bool,
        typer.Option("--text/--no-text", help="Whether the result holds the texts.", rich_help_panel=_OUTPUT),
    ] = True
    batch_size: Annotated[
        int,
        typer.Option(
            help="How many texts a worker takes at a time; each such block becomes one Parquet part.",
            metavar="N",
            min=1,
            rich_help_panel=_CLUSTER,
        ),
    ] = 1000
    workers: Annotated[
        int | None,
        typer.Option(
            help="How many workers; by default as the cluster suggests.",
            metavar="N",
            min=1,
            rich_help_panel=_CLUSTER,
            show_default=False,
        ),
    ] = None
    cpus: Annotated[
        float | None,
        typer.Option(help="Processors of each worker.", min=0.0, rich_help_panel=_CLUSTER, show_default=False),
    ] = None
    gpus: Annotated[
        float | None,
        typer.Option(help="GPUs of each worker.", min=0.0, rich_help_panel=_CLUSTER, show_default=False),
    ] = None
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="A Ray cluster, `auto` for the one this machine belongs to; by default RAY_ADDRESS, else this machine "
            "alone.",
            metavar="ADDRESS",
            rich_help_panel=_CLUSTER,
            show_default=False,
        ),
    ] = None
    json: Json = False

    def arguments(self) -> dict[str, Any]:
        """What `nlparam.scale` functions take beside their own."""
        return {
            "text_field": self.text_field,
            "columns": tuple(self.column or ()),
            "keep_text": self.keep_text,
            "batch_size": self.batch_size,
            "workers": self.workers,
            "cpus": self.cpus,
            "gpus": self.gpus,
            "address": self.ray_address,
        }


@app.command()
@spread_options
def embed(options: ScaleOptions, embedder: Embedder = None) -> None:
    """Embed every text: the result has a column `embedding` of unit vectors."""
    with _explained():
        from nlparam import scale

        result = scale.embed(options.texts, options.out, embedder=embedder, **options.arguments())
    _show(result, options)


@app.command()
@spread_options
def judge(
    options: ScaleOptions,
    predicates: Annotated[
        Path, typer.Option(help="A file of predicates, one per line.", rich_help_panel=_TEXTS, show_default=False)
    ],
    lm: Annotated[
        list[str],
        typer.Option(
            help="A server, http://HOST:PORT/v1#MODEL (repeat it for several that serve one model), or what every "
            "worker is to load: `embedded`, `embedded:NAME`, a .gguf file, `vllm:MODEL`.",
            metavar="LM",
            show_default=False,
        ),
    ],
    timeout: Annotated[
        float | None,
        typer.Option(help="Seconds that one call may take.", metavar="SECONDS", min=0.1, show_default=False),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="The file on each machine that keeps judgments while a block is not finished; `:memory:` for none.",
            show_default=False,
        ),
    ] = None,
    retry_failures: Annotated[
        bool, typer.Option("--retry-failures", help="Ask again for answers that an earlier run could not get.")
    ] = False,
) -> None:
    """Judge every text for every predicate: the result has a column P(predicate) for each."""
    sentences = _read_predicates(predicates)
    with _explained():
        from nlparam import scale

        result = scale.judge(
            options.texts,
            sentences,
            options.out,
            lm=lm,
            store=store,
            timeout=timeout,
            retry_failures=retry_failures,
            **options.arguments(),
        )
    _show(result, options)


@app.command()
@spread_options
def denote(
    options: ScaleOptions,
    fit: Annotated[Path, typer.Option(help="The --out folder of a fit.", show_default=False)],
    embedder: Embedder = None,
) -> None:
    """Denote every text by a saved fit, without a language model: a column P(predicate) for each of its predicates."""
    with _explained():
        from nlparam import scale

        result = scale.denote(options.texts, fit, options.out, embedder=embedder, **options.arguments())
    _show(result, options)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """A `ValueError` about arguments is a mistake in the command; those of nlparam explain themselves."""
    from nlparam.errors import NlparamError

    try:
        yield
    except NlparamError:
        raise
    except ConnectionError as error:
        raise NlparamError(str(error)) from error
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _read_predicates(path: Path) -> list[str]:
    from nlparam.errors import CorpusError

    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    except OSError as error:
        raise CorpusError(f"cannot read the predicates {path}: {error.strerror or error}") from error
    predicates = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not predicates:
        raise CorpusError(f"{path} holds no predicates: expected one per line")
    return predicates


def _show(result: "JobResult", options: ScaleOptions) -> None:
    if options.json:
        values = result._asdict()
        print_json(values | {"costs": result.costs.as_dict(), "new_costs": result.new_costs.as_dict()})
        return
    rate = f" ({result.new_texts / result.seconds:,.0f} a second)" if result.new_texts else ""
    costs = result.new_costs
    print_lines(
        f"texts:   {result.n_texts:,} in {result.n_parts:,} parts, {result.n_blank:,} of them blank",
        f"new:     {result.new_texts:,} texts in {result.seconds:,.1f} s{rate}",
    )
    if costs.calls or costs.judgments_served:
        tokens = f"{costs.tokens:,} tokens"
        print_lines(f"asked:   {costs.calls:,} calls, {tokens}, {costs.judgments_served:,} judgments from the store")
    if result.n_failures:
        print_lines(f"missing: {result.n_failures:,} answers are null; --retry-failures asks for them again")
    print_lines(f"result:  {result.folder}/parts")
