"""`nlparam.taxonomy`: recursive fits, in which children explain their parent's texts."""

import contextlib
import dataclasses
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.calibration import Labelled
from nlparam.denotation.goal import KINDS, Affinity, map_features, represent
from nlparam.errors import FitWarning
from nlparam.fitting.estimate import Estimate
from nlparam.fitting.setup import DEFAULT_GOAL, Run, prepared
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.goals import with_examples
from nlparam.language.paths import MOST_LEVELS, PathStater
from nlparam.language.phrasing import ParallelForm, Phraser
from nlparam.language.propose import Contrast, Listed
from nlparam.lm.base import AbstractLanguageModel
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.models import Clustering
from nlparam.numerics.heads.goal_map import LEAST_STATEMENTS, GoalMap, fit_goal_map
from nlparam.runtime.budget import Budget
from nlparam.runtime.progress import Progress
from nlparam.taxonomies.corpus_checks import check_sizes, warn_of_texts
from nlparam.taxonomies.divided import Known
from nlparam.taxonomies.dividing import Divider
from nlparam.taxonomies.estimating import estimate_growth
from nlparam.taxonomies.options import DEFAULT_DEPTH, TaxonomyOptions, children_range
from nlparam.taxonomies.over_time import checked_stamps
from nlparam.taxonomies.proposing import NodeProposer, Statements
from nlparam.taxonomies.records import OUTCOMES
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.tree import Growing, NodePath, Predicates, assemble, undone

# Words of a text that a small model on a CPU, and any other, is shown when it states one.
WORDS_SMALL, WORDS_STRONG = 60, 400


def taxonomy(
    texts: Iterable[str],
    *,
    goal: str = DEFAULT_GOAL,
    goal_examples: Sequence[str] = (),
    depth: int = DEFAULT_DEPTH,
    children: int | str | tuple[int, int] = "auto",
    lm: str | Path | AbstractLanguageModel = "embedded",
    embedder: str | Path | AbstractEmbedder | None = None,
    form: str = "single",
    calibration: str | Path | Labelled | None = None,
    locked: Mapping[NodePath, Predicates] | Predicates | None = None,
    excluded: Mapping[NodePath, Sequence[str]] | Sequence[str] | None = None,
    pool: Mapping[NodePath, Predicates] | Predicates | None = None,
    options: TaxonomyOptions | Mapping[str, Any] | None = None,
    representation: str = "auto",
    stamps: Sequence[Any] | None = None,
    time_unit: str | None = None,
    budget: Budget | None = None,
    store: str | Path | Store | None = None,
    timeout: float = 60.0,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Taxonomy:
    """Grows a tree of predicates in which the children of a node explain its texts.

    A sample of the texts is stated once under the goal, from general to specific. From the root down every node is then
    divided by itself: its texts are relaxed, candidates are proposed from the statements of what is high in each
    direction, near-duplicates are merged, all candidates are judged on a few texts, and an integer programme chooses
    children that hold for every text about once; what is chosen is judged further, and a head denotes the other texts.
    The number of children is the one under which statements that are left out are likeliest. Texts that no child
    explains are under "none of these".

    **Arguments:**

    - `texts`: the corpus.
    - `goal`, `goal_examples`: what the predicates are to be about, in plain words, and answers a text could have to it.
    - `depth`: how many levels there are below the root.
    - `children`: how many children a node has: a number, a range (`"3-6"` or `(3, 6)`), or `"auto"`, 2 to 8.
    - `lm`, `embedder`, `form`, `calibration`, `budget`, `store`, `timeout`, `seed`, `out`, `overwrite`: as for
      `nlparam.fit`. A tree that meets a limit of the budget ends with the best so far.
    - `locked`, `pool`: predicates that are children of a node whatever else is, and candidates to choose the others
      from, beside which nothing is proposed; `excluded`, predicates that are not used. Each is a mapping from paths of
      predicates to predicates (`{(): ["is about sports"], ("is about sports",): ["is about football"]}`). A sequence
      is for the root, of `excluded` for all nodes.
    - `options`: how much is judged, and what children must fulfil, see `TaxonomyOptions`; a mapping changes some of the
      defaults, which depend on the language model.
    - `representation`: what is relaxed, as for `nlparam.fit`; the goal representation is learned from the statements.
    - `stamps`: the time of each text, a number or a date (`None` where there is none), and `time_unit`, what dates are
      grouped by ("day", "week", "month" or "year"): the tree is the same, and `Taxonomy.over_time` and the report say
      how the shares of its nodes change.

    **Returns:** a `Taxonomy`.

    **Raises:** `CorpusError` (the texts do not allow such a depth or so many children), `BudgetError` (the budget ends
    before the root is divided), and what `nlparam.fit` raises; everything judged until then is in the store.
    """
    corpus = Corpus.from_texts(texts)
    kept = None if stamps is None else checked_stamps(stamps, len(corpus), unit=time_unit)
    with prepared_growth(
        corpus.texts,
        goal=with_examples(goal, goal_examples),
        depth=depth,
        children=children,
        lm=lm,
        embedder=embedder,
        form=form,
        calibration=calibration,
        locked=locked,
        excluded=excluded,
        pool=pool,
        options=options,
        representation=representation,
        budget=budget,
        store=store,
        timeout=timeout,
        seed=seed,
        out=out,
        overwrite=overwrite,
        progress=progress,
    ) as (growing, goal_map, settings):
        grown = growing.grow()
        spent = growing.divider.run.meter.spent
        tree = assemble(growing.divider, goal_map, grown, settings)
    if kept is not None:
        tree = dataclasses.replace(tree, stamps=kept, settings=tree.settings | {"time_unit": time_unit})
    if tree.result is OUTCOMES.budget_spent:
        warnings.warn(
            f"the budget is spent ({spent}): this is the best tree so far, {undone(tree)}; the same command with more "
            "goes on from here",
            FitWarning,
            stacklevel=2,
        )
    if out is not None:
        tree.save(out, overwrite=overwrite)
        tree.report(Path(out) / "report.html")
    return tree


def estimate_taxonomy(texts: Iterable[str], *, depth: int = DEFAULT_DEPTH, **options: Any) -> Estimate:
    """What `nlparam.taxonomy` with the same arguments will cost, from some twenty calls; their answers are stored.

    **Arguments:** as for `nlparam.taxonomy`. Raises what it raises; `LanguageModelError` if no call was answered.
    """
    with prepared_growth(texts, depth=depth, only_estimate=True, **options) as (growing, _, _):
        return estimate_growth(growing.divider, depth)


@contextlib.contextmanager
def prepared_growth(
    texts: Iterable[str],
    *,
    goal: str = DEFAULT_GOAL,
    depth: int = DEFAULT_DEPTH,
    children: int | str | tuple[int, int] = "auto",
    lm: str | Path | AbstractLanguageModel = "embedded",
    locked: Mapping[NodePath, Predicates] | Predicates | None = None,
    excluded: Mapping[NodePath, Sequence[str]] | Sequence[str] | None = None,
    pool: Mapping[NodePath, Predicates] | Predicates | None = None,
    options: TaxonomyOptions | Mapping[str, Any] | None = None,
    representation: str = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    only_estimate: bool = False,
    **fit_options: Any,
) -> Iterator[tuple[Growing, GoalMap | None, dict[str, Any]]]:
    """What grows a tree, the goal representation and the settings, for the `with` block; see `taxonomy`.

    `fit_options` are those that `nlparam.fit` has too. With `only_estimate` no texts are stated.
    """
    limits = children_range(children)
    corpus = Corpus.from_texts(texts)
    lockings, exclusions, pools = (_by_path(given) for given in (locked, excluded, pool))
    everywhere = [] if isinstance(excluded, Mapping) else exclusions.pop((), [])
    if representation not in KINDS:
        raise ValueError(f"got representation={representation!r}, expected one of {', '.join(KINDS)}")
    least_texts = _options(options, strong=True).least_texts
    check_sizes(corpus, depth=depth, children=limits, least_texts=least_texts)
    warn_of_texts(corpus, goal)
    engines: list[Engine] = []

    def listed(engine: Engine) -> Listed:
        # What is prepared is a fit that proposes nothing; its engine is what the nodes are divided with.
        engines.append(engine)
        return Listed(())

    def settings_of(settings: dict[str, Any]) -> dict[str, Any]:
        """Those of the tree, from those of the fit that was prepared."""
        kept = {name: value for name, value in settings.items() if name not in ("cascade", "model", "fields")}
        given = {"locked": lockings, "excluded_under": exclusions, "pool": pools}
        return kept | {
            "depth": depth,
            "children": list(limits),
            "representation": representation,
            "proposer": _proposer_identity(engines[0], depth),
            "options": dataclasses.asdict(_options(options, strong=engines[0].lm.strong)),
            "excluded": everywhere,
            **{name: _written(predicates) for name, predicates in given.items()},
        }

    def check(settings: dict[str, Any]) -> None:
        if out is not None:
            Taxonomy.check(out, Taxonomy.compared({"settings": settings_of(settings)}), overwrite=overwrite)

    progress = Progress() if progress is None else progress
    with prepared(
        Clustering(n_predicates=2),
        corpus.texts,
        goal=goal,
        lm=lm,
        proposer=listed,
        representation="embedding",
        seed=seed,
        check=check,
        progress=progress,
        only_estimate=only_estimate,
        **fit_options,
    ) as run:
        the_options = _options(options, strong=engines[0].lm.strong)
        if only_estimate:
            the_options = dataclasses.replace(the_options, n_stated=8)
        divider, goal_map = _divider(run, engines[0], the_options, limits, depth=depth, kind=representation)
        divider = dataclasses.replace(divider, options=_options(options, strong=engines[0].lm.strong))
        growing = Growing(divider, depth, lockings, exclusions, everywhere, pools, progress)
        yield growing, goal_map, settings_of(run.settings)


def _options(given: TaxonomyOptions | Mapping[str, Any] | None, *, strong: bool) -> TaxonomyOptions:
    """A small model judges few texts and is corrected; a strong one is believed, and judges more."""
    if isinstance(given, TaxonomyOptions):
        return given
    default = TaxonomyOptions()
    if strong:
        default = TaxonomyOptions(n_stated=256, n_candidates=32, n_screened=64, n_judged=512, correct_bias=False)
    given = {} if given is None else given
    names = [field.name for field in dataclasses.fields(TaxonomyOptions)]
    unknown = sorted(given.keys() - set(names))
    if unknown:
        raise ValueError(f"got options {', '.join(unknown)}, expected some of {', '.join(names)}")
    return dataclasses.replace(default, **given)


def _by_path(given: Any) -> dict[NodePath, list]:
    """Predicates by the path of the node they are for; a sequence is for the root."""
    if given is None:
        return {}
    if isinstance(given, str):
        raise ValueError(f"got the one predicate {given!r}, expected a list of predicates, or a mapping from paths")
    if not isinstance(given, Mapping):
        return {(): list(given)}
    for path in given:
        if isinstance(path, str):
            raise ValueError(f"got the path {path!r}, expected a tuple of predicates, () for the root")
    return {tuple(path): list(predicates) for path, predicates in given.items()}


def _written(given: Mapping[NodePath, Predicates]) -> dict[str, list[str]]:
    """As settings: the predicates by the path, without what is known of them."""
    return {
        " > ".join(path): [one.predicate if isinstance(one, Known) else one for one in predicates]
        for path, predicates in given.items()
        if predicates
    }


def _stater(engine: Engine, depth: int) -> PathStater:
    # One level more than the tree has: the first name often says no more than the goal does ("news").
    n_words = WORDS_STRONG if engine.lm.strong else WORDS_SMALL
    return PathStater(engine, n_levels=min(depth + 1, MOST_LEVELS), n_words=n_words)


def _proposer_identity(engine: Engine, depth: int) -> str:
    strategies = (Phraser(engine, ""), *((Contrast(engine),) if engine.lm.strong else ()))
    return " ".join([_stater(engine, depth).identity, *(strategy.identity for strategy in strategies)])


def _divider(
    run: Run, engine: Engine, options: TaxonomyOptions, limits: tuple[int, int], *, depth: int, kind: str
) -> tuple[Divider, GoalMap | None]:
    """What divides the nodes of a tree: texts are stated, and the goal representation is learned from that."""
    corpus, goal = run.corpus, run.settings["goal"]
    statements = Statements(_stater(engine, depth), goal, corpus.distinct)
    embeddings = run.search.embeddings
    rows = np.random.default_rng([run.seed, options.n_stated]).permutation(len(corpus.distinct))[: options.n_stated]
    with run.costs.stage("stating"):
        statements.state(rows)
    goal_map = None
    stated = rows[statements.usable(rows)]
    if (kind == "goal" or (kind == "auto" and goal != DEFAULT_GOAL)) and len(stated) >= LEAST_STATEMENTS:
        with run.costs.stage("goal representation"):
            phrases = [", ".join(statements.paths[row]) for row in stated.tolist()]
            goal_map = fit_goal_map(
                embeddings,
                map_features(corpus.distinct, embeddings, run.ngrams),
                stated,
                run.embedder.embed(phrases),
                n_clusters=limits[1],
                seed=run.seed,
            ).goal_map
    divider = make_divider(run, engine, options, limits, depth=depth, goal_map=goal_map, statements=statements)
    return divider, goal_map


def make_divider(
    run: Run,
    engine: Engine,
    options: TaxonomyOptions,
    limits: tuple[int, int],
    *,
    depth: int,
    goal_map: GoalMap | None,
    statements: Statements | None = None,
) -> Divider:
    """What divides the nodes of a tree; without `statements`, texts are stated when something is to be proposed."""
    corpus, goal = run.corpus, run.settings["goal"]
    statements = Statements(_stater(engine, depth), goal, corpus.distinct) if statements is None else statements
    represented = represent(goal_map, corpus.distinct, run.search.embeddings, run.ngrams)
    affinity = Affinity(run.embedder, represented)
    proposer = NodeProposer(
        engine=engine,
        embedder=run.embedder,
        phraser=Phraser(engine, goal),
        statements=statements,
        affinity=affinity,
        goal=goal,
        n_compared=options.n_compared,
        contrast=Contrast(engine) if engine.lm.strong else None,
    )
    return Divider(
        run=run,
        proposer=proposer,
        parallel=ParallelForm(engine, run.embedder.embed),
        statements=statements,
        affinity=affinity,
        represented=represented,
        shared=np.concatenate([represented, run.ngrams.transform(corpus.distinct)], axis=1),
        options=options,
        children=limits,
    )
