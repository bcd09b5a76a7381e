"""`nlparam.taxonomy`: recursive fits, in which children explain their parent's texts."""

import contextlib
import dataclasses
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.frames import Frame, texts_of
from nlparam.denotation.definitions import Definition, checked_definitions, settings_of
from nlparam.denotation.following import GoalFollowing
from nlparam.denotation.goal import GoalRepresentation, follows
from nlparam.denotation.labels import Labelled
from nlparam.denotation.session import DEFAULT_GOAL, Asking, Run, Session, accepts, check_names
from nlparam.errors import CorpusError, FitWarning
from nlparam.fitting.estimate import Estimate
from nlparam.fitting.setup import corpus_digest
from nlparam.language.detect import language_mismatch, language_warning
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.goals import read_goal, with_examples
from nlparam.language.phrasing import Phraser
from nlparam.language.propose import Contrast
from nlparam.numerics.heads.goal_map import LEAST_STATEMENTS
from nlparam.runtime.words import part_of
from nlparam.taxonomies.chance import nothing_found, separations
from nlparam.taxonomies.divided import predicate_of
from nlparam.taxonomies.dividing import Divider
from nlparam.taxonomies.estimating import estimate_growth
from nlparam.taxonomies.options import DEFAULT_DEPTH, STRONG, TaxonomyOptions, children_range, options_of
from nlparam.taxonomies.over_time import checked_stamps
from nlparam.taxonomies.proposing import Statements
from nlparam.taxonomies.records import OUTCOMES
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.sampling import checked_clusters, with_sample
from nlparam.taxonomies.setup import make_divider, stater_of, stating_order
from nlparam.taxonomies.tree import Growing, NodePath, Predicates, assemble, undone


class TaxonomyArguments(Asking, total=False):
    """The arguments of `nlparam.taxonomy`, where they are explained, without the texts, their times and the folder."""

    text_field: str | None
    goal: str
    goal_examples: Sequence[str]
    depth: int
    children: int | str | tuple[int, int]
    embedder: str | Path | AbstractEmbedder | None
    form: str
    calibration: str | Path | Labelled | None
    locked: Mapping[NodePath, Predicates] | Predicates | None
    definitions: Mapping[str, Definition | str | Mapping[str, Any]] | None
    excluded: Mapping[NodePath, Sequence[str]] | Sequence[str] | None
    pool: Mapping[NodePath, Predicates] | Predicates | None
    options: TaxonomyOptions | Mapping[str, Any] | None
    representation: str
    seed: int


@contextlib.contextmanager
def prepared_growth(
    texts: Iterable[str] | Frame,
    *,
    text_field: str | None = None,
    goal: str = DEFAULT_GOAL,
    goal_examples: Sequence[str] = (),
    depth: int = DEFAULT_DEPTH,
    children: int | str | tuple[int, int] = "auto",
    embedder: str | Path | AbstractEmbedder | None = None,
    form: str = "single",
    calibration: str | Path | Labelled | None = None,
    locked: Mapping[NodePath, Predicates] | Predicates | None = None,
    definitions: Mapping[str, Definition | str | Mapping[str, Any]] | None = None,
    excluded: Mapping[NodePath, Sequence[str]] | Sequence[str] | None = None,
    pool: Mapping[NodePath, Predicates] | Predicates | None = None,
    options: TaxonomyOptions | Mapping[str, Any] | None = None,
    representation: str = "auto",
    seed: int = 0,
    check: Callable[[dict[str, Any]], None] | None = None,
    only_estimate: bool = False,
    **asked: Unpack[Asking],
) -> Iterator[Growing]:
    """What grows a tree, for the `with` block; see `nlparam.taxonomy` for the arguments.

    `check` is called with the settings before anything is computed; with `only_estimate` no texts are stated, and the
    language model answers whatever the store holds.
    """
    goal, limits = with_examples(goal, goal_examples), children_range(children)
    corpus = Corpus.from_texts(texts_of(texts, text_field)[0])
    lockings, exclusions, pools = (_by_path(given) for given in (locked, excluded, pool))
    everywhere = [] if isinstance(excluded, Mapping) else exclusions.pop((), [])
    named = [predicate_of(one) for given in (lockings, pools) for among in given.values() for one in among]
    defined = checked_definitions(definitions, named)
    read_goal(goal)
    by_goal = follows(representation, goal != DEFAULT_GOAL)
    check_sizes(corpus, depth=depth, children=limits, least_texts=options_of(STRONG, options).least_texts)
    warn_of_texts(corpus, goal)
    with Session(embedder=embedder, **asked) as session:
        engine, strong = session.engine, session.policy.strong
        judge, _ = session.calibrated(session.judge(form=form, definitions=defined), calibration)
        if only_estimate:
            session.unread()
        the_options = options_of(STRONG if strong else TaxonomyOptions(), options)
        strategies = (stater_of(session, goal, depth), Phraser(engine, ""), *((Contrast(engine),) if strong else ()))
        settings = {
            "goal": goal,
            "lm": session.lm_name,
            "lm_identity": session.lm.identity,
            "embedder": session.embedder_name,
            "embedder_identity": session.embedder.identity,
            "proposer": " ".join(strategy.identity for strategy in strategies),
            "judge": judge.identity,
            "form": form,
            "n_words": session.policy.n_words,
            "representation": representation,
            "executable": None,
            "corpus": corpus_digest(corpus, None),
            "options": dataclasses.asdict(the_options),
            "seed": seed,
            "depth": depth,
            "children": list(limits),
            "excluded": everywhere,
            "locked": _written(lockings),
            "excluded_under": _written(exclusions),
            "pool": _written(pools),
        } | settings_of(defined)
        if check is not None:
            check(settings)
        embeddings = session.embed(corpus.distinct)
        ngrams, ngram_features = session.ngrams(corpus.distinct)
        run = Run(
            session=session,
            corpus=corpus,
            embeddings=embeddings,
            ngrams=ngrams,
            ngram_features=ngram_features,
            judge=judge,
            settings=settings,
            seed=seed,
        )
        first = the_options.first_stated
        order = stating_order(the_options, len(corpus.distinct), seed=seed)

        def stated(n_stated: int) -> tuple[Divider, GoalFollowing | None]:
            return _divider(run, the_options, limits, stated=order[:n_stated], by_goal=by_goal)

        divider, following = stated(0 if only_estimate else first)
        more = (lambda: stated(the_options.most_stated)) if by_goal and the_options.most_stated > first else None
        yield Growing(divider, depth, lockings, exclusions, everywhere, pools, following, more)


@accepts(TaxonomyArguments, prepared_growth, Session)
def taxonomy(
    texts: Iterable[str] | Frame,
    *,
    stamps: Sequence[Any] | str | None = None,
    time_unit: str | None = None,
    clusters: Sequence[Any] | str | None = None,
    inference: bool | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    **asked: Unpack[TaxonomyArguments],
) -> Taxonomy:
    """Grows a tree of predicates in which the children of a node explain its texts.

    A sample of the texts is stated once under the goal, from general to specific. From the root down every node is then
    divided by itself: its texts are relaxed, candidates are proposed from the statements of what is high in each
    direction, near-duplicates are merged, and all candidates are judged on a few texts. Those become children under
    which statements that are left out are likeliest, as many as that needs. What is chosen is judged further, and a
    head denotes the other texts. Texts that no child explains are under "none of these".

    **Arguments:**

    - `texts`: the corpus, a list, a column of a data frame, or a frame with `text_field`, its column of texts; `stamps`
      and `clusters` may then be names of columns.
    - `goal`, `goal_examples`: what the predicates are to be about, in plain words, and answers a text could have to it.
    - `depth`: how many levels there are below the root.
    - `children`: how many children a node has: a number, a range (`"3-6"` or `(3, 6)`), or `"auto"`, 2 to 8.
    - `lm`, `embedder`, `form`, `calibration`, `budget`, `store`, `timeout`, `seed`, `out`, `overwrite`: as for
      `nlparam.fit`. A tree that meets a limit of the budget ends with the best so far.
    - `locked`, `pool`: predicates that are children of a node whatever else is, and candidates to choose the others
      from, beside which nothing is proposed; `excluded`, predicates that are not used. Each is a mapping from paths of
      predicates to predicates (`{(): ["is about sports"], ("is about sports",): ["is about football"]}`). A sequence
      is for the root, of `excluded` for all nodes.
    - `definitions`: what some of these predicates mean, as for `nlparam.fit`.
    - `options`: how much is judged, and what children must fulfil, see `TaxonomyOptions`; a mapping changes some of the
      defaults, which depend on the language model.
    - `representation`: what is relaxed, as for `nlparam.fit`; the goal representation is learned from the statements.
    - `stamps`: the time of each text, a number or a date (`None` where there is none), and `time_unit`, what dates are
      grouped by ("day", "week", "month" or "year"): the tree is the same, and `Taxonomy.over_time` and the report say
      how the shares of its nodes change.
    - `clusters`: what each text belongs to, such as a thread or an author: intervals then allow for their likeness.
    - `inference`: whether random texts are judged in the end, by which shares over time are corrected for the errors
      of the heads, and the tree is tested against chance; by default if there are times. That takes at most 0.3 of the
      judgments of the growing.

    **Returns:** a `Taxonomy`.

    **Raises:** `CorpusError` (the texts do not allow such a depth or so many children), `BudgetError` (the budget ends
    before the root is divided), and what `nlparam.fit` raises; everything judged until then is in the store.
    """
    check_names(taxonomy, asked)
    texts, (stamps, clusters) = texts_of(texts, asked.pop("text_field", None), stamps, clusters)
    corpus = Corpus.from_texts(texts)
    kept = None if stamps is None else checked_stamps(stamps, len(corpus), unit=time_unit)
    named = None if clusters is None else checked_clusters(clusters, len(corpus))

    def check(settings: dict[str, Any]) -> None:
        if out is not None:
            Taxonomy.check(out, Taxonomy.compared({"settings": settings}), overwrite=overwrite)

    with prepared_growth(corpus.texts, check=check, **asked) as growing:
        run = growing.divider.run
        root = growing.grow()
        tree = assemble(growing.divider, root, run.settings)
        timed = {} if kept is None else {"time_unit": time_unit}
        tree = dataclasses.replace(
            tree, stamps=kept, clusters=named, settings=tree.settings | timed, following=growing.following
        )
        if inference or (inference is None and kept is not None):
            tree = with_sample(tree, run)
            with run.costs.stage("against chance"):
                tree = dataclasses.replace(tree, chance=separations(tree, growing.divider.represented))
        spent = run.meter.spent
    if tree.result is OUTCOMES.budget_spent:
        warnings.warn(
            f"the budget is spent ({spent}): this is the best tree so far, {undone(tree)}; the same command with more "
            "goes on from here",
            FitWarning,
            stacklevel=2,
        )
    if (said := nothing_found(tree.chance)) is not None:
        warnings.warn(said, FitWarning, stacklevel=2)
    if root.uncertain(corpus.multiplicity):
        warnings.warn(
            "it is uncertain which texts are under which child of the first level: the embeddings of the texts say "
            "little of what the goal asks for, and the language model judged few of them. More judgments help "
            "(n_judged, --n-judged), a larger model, or another goal",
            FitWarning,
            stacklevel=2,
        )
    for doubt in () if tree.following is None else tree.following.warnings():
        warnings.warn(doubt, FitWarning, stacklevel=2)
    if out is not None:
        tree.save(out, overwrite=overwrite)
        tree.report(Path(out) / "report.html")
    return tree


@accepts(TaxonomyArguments, prepared_growth, Session)
def estimate_taxonomy(texts: Iterable[str] | Frame, **asked: Unpack[TaxonomyArguments]) -> Estimate:
    """What `nlparam.taxonomy` with the same arguments will cost, from some sixty calls; their answers are stored.

    **Arguments:** as for `nlparam.taxonomy`, without `stamps`, `time_unit`, `out` and `overwrite`. Raises what it
    raises; `LanguageModelError` if no call was answered.
    """
    check_names(estimate_taxonomy, asked)
    with prepared_growth(texts, only_estimate=True, **asked) as growing:
        return estimate_growth(growing)


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
    return {" > ".join(path): [predicate_of(one) for one in among] for path, among in given.items() if among}


def _divider(
    run: Run, options: TaxonomyOptions, limits: tuple[int, int], *, stated: np.ndarray, by_goal: bool
) -> tuple[Divider, GoalFollowing | None]:
    """What divides the nodes of a tree, and how well the goal was followed: texts (the rows `stated`) are stated, and
    the goal representation is learned from that.
    """
    corpus, goal = run.corpus, run.settings["goal"]
    paths = stater_of(run.session, goal, run.settings["depth"])
    goal_map, following = None, None
    if by_goal and len(stated) >= LEAST_STATEMENTS:
        with run.costs.stage("goal representation"):
            goal_map, following, _ = GoalRepresentation(len(stated)).learn(
                corpus,
                run.embeddings,
                run.ngram_features,
                goal=read_goal(goal),
                stater=paths.stater,
                reader=run.session.goal_reader(),
                embedder=run.stored_embedder,
                n_clusters=limits[1],
                seed=run.seed,
                order=stated,
                phrases=lambda texts: [", ".join(path) for path in paths.state(texts, goal=goal)],
                kept=run.session.keeps,
            )
    statements = Statements(paths, goal, corpus.distinct)
    with run.costs.stage("stating"):
        statements.state(stated)
    return make_divider(run, options, limits, goal_map=goal_map, statements=statements), following


def check_sizes(corpus: Corpus, *, depth: int, children: tuple[int, int], least_texts: int) -> None:
    """Raises `ValueError` for a depth below 1, `CorpusError` if the texts cannot be divided so often or so finely."""
    if depth < 1:
        raise ValueError(f"got depth={depth}, expected at least 1")
    n_distinct, least = len(corpus.distinct), children[0]
    if n_distinct < least_texts:
        raise CorpusError(
            f"got {n_distinct:,} distinct texts that are not blank (of {len(corpus):,}), expected at least "
            f"{least_texts} for a taxonomy: give more texts, or set least_texts (--least-texts) lower"
        )
    # Evenly divided, a node of the last but one level has this many texts.
    on_last = n_distinct / least ** (depth - 1)
    if on_last < least_texts:
        deepest = 1 + int(math.log(n_distinct / least_texts) / math.log(least))
        raise CorpusError(
            f"got depth={depth} for {n_distinct:,} distinct texts: with {least} children a node, those on level "
            f"{depth - 1} would have {on_last:.0f} texts each, expected at least {least_texts} to divide: ask for a "
            f"depth of at most {deepest}, or set least_texts (--least-texts) lower"
        )
    if n_distinct < 2 * children[0]:
        raise CorpusError(
            f"got {n_distinct} distinct texts for {children[0]} children: give more texts or ask for fewer"
        )


def warn_of_texts(corpus: Corpus, goal: str) -> None:
    """Warns of texts without words, which are under no node, and of a goal in another language than the texts."""
    n_blank = int(corpus.blank.sum())
    if n_blank:
        warnings.warn(
            f"{part_of(n_blank, len(corpus), 'text', 'is', 'are')} blank: under no node",
            FitWarning,
            stacklevel=3,
        )
    if (mismatch := language_mismatch(goal, corpus.distinct)) is not None:
        warnings.warn(language_warning(mismatch), FitWarning, stacklevel=3)
