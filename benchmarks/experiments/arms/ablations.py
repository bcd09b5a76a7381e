"""nlparam in full, and without one of its parts (the ablations of arXiv 2409.08466, section 5, and of this project)."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from benchmarks.experiments.arms.shared import fitted, options_with, shuffled
from benchmarks.experiments.base import AbstractArm, Dataset, Outcome, Problem, Task
from nlparam.corpus.corpus import Corpus, text_digest
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.phrasing import Phraser, what_it_says
from nlparam.language.propose import AbstractProposer, Listed
from nlparam.lm.engine import Engine


class OneHotEmbedder(AbstractEmbedder):
    """Every distinct text of a corpus has a basis vector of its own.

    Where there are more than `n_dimensions` of them, and for texts that are not in the corpus, the basis vector is
    projected at random: a random unit vector that depends on nothing but the text, nearly orthogonal to all others.
    """

    def __init__(self, texts: Sequence[str], *, n_dimensions: int = 4096):
        if n_dimensions < 2:
            raise ValueError(f"got n_dimensions={n_dimensions}, expected at least 2")
        distinct = Corpus.from_texts(texts).distinct
        self._exact = len(distinct) <= n_dimensions
        self.n_dimensions = max(2, len(distinct)) if self._exact else n_dimensions
        self._position = {text: number for number, text in enumerate(distinct)} if self._exact else {}
        # A basis vector depends on the corpus; what is stored for another one must not be taken for it.
        contents = hashlib.sha256("\n".join(map(text_digest, self._position)).encode()).hexdigest()[:16]
        self._identity = f"one-hot {self.n_dimensions} {contents if self._exact else 'projected'}"

    @property
    def identity(self) -> str:
        return self._identity

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        matrix = np.zeros((len(texts), self.n_dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            if text in self._position:
                matrix[row, self._position[text]] = 1.0
            else:
                direction = np.random.default_rng(int(text_digest(text)[:16], 16)).standard_normal(self.n_dimensions)
                matrix[row] = direction / np.linalg.norm(direction)
        return matrix


@dataclasses.dataclass(frozen=True)
class OneHot(AbstractArm):
    """A fit whose embeddings are one-hot: the relaxation can learn nothing from one text about another.

    It has no goal representation, which would be a good embedding in disguise: it learns from n-grams, too.
    """

    n_dimensions: int = 4096

    def run(self, problem: Problem) -> Outcome:
        embedder = OneHotEmbedder(problem.dataset.texts, n_dimensions=self.n_dimensions)
        return fitted(problem, embedder=embedder, representation="embedding")


@dataclasses.dataclass(frozen=True)
class Full(AbstractArm):
    """`nlparam.fit` as it is."""

    def run(self, problem: Problem) -> Outcome:
        return fitted(problem)


@dataclasses.dataclass(frozen=True)
class NoRelaxation(AbstractArm):
    """Candidates are proposed for random directions instead of relaxed ones."""

    def run(self, problem: Problem) -> Outcome:
        return fitted(problem, options=options_with(problem, relaxation=False))


@dataclasses.dataclass(frozen=True)
class NoRefinement(AbstractArm):
    """Predicates are proposed and selected once."""

    def run(self, problem: Problem) -> Outcome:
        return fitted(problem, options=options_with(problem, n_rounds=0))


@dataclasses.dataclass(frozen=True)
class MoreAtOnce(AbstractArm):
    """No refinement: its judgments are spent on more candidates in the first round.

    **Arguments:** `n_ahead`, see `SearchOptions`; with 2 there are three times as many slots to propose for.
    """

    n_ahead: int = 2

    def run(self, problem: Problem) -> Outcome:
        return fitted(problem, options=options_with(problem, n_rounds=0, n_ahead=self.n_ahead))


@dataclasses.dataclass(frozen=True)
class Coordinate(AbstractArm):
    """The refinement of the paper: one predicate at a time, every candidate judged on as many texts as the chosen.

    A limit on the judgments (`options.max_judgments`, or the default of a small language model) holds as for the full
    arm, so that the two are compared at the same number of judgments.

    **Arguments:** `n_rounds`, where the problem does not say how many; the paper has 10.
    """

    n_rounds: int = 10

    def run(self, problem: Problem) -> Outcome:
        options = options_with(problem, refinement="coordinate")
        if isinstance(options, dict):
            options = {"n_rounds": self.n_rounds, "n_slots_refined": 1, **options}
        return fitted(problem, options=options)


@dataclasses.dataclass(frozen=True)
class NoGoalRepresentation(AbstractArm):
    """The relaxation sees the embeddings of the texts as they are, whatever the goal."""

    def run(self, problem: Problem) -> Outcome:
        return fitted(problem, representation="embedding")


@dataclasses.dataclass(frozen=True)
class OtherEmbedder(AbstractArm):
    """A fit on other embeddings: those of `embedder`, by default the one of the paper's appendix D."""

    embedder: str = "sentence-transformers/all-mpnet-base-v2"

    def run(self, problem: Problem) -> Outcome:
        return fitted(problem, embedder=self.embedder)


@dataclasses.dataclass(frozen=True)
class Named(AbstractArm):
    """A fit that is given the right words: the references, phrased by the language model, are the only candidates.

    No rival of the full arm but a bound: what is missing here is for the judgments, what the full arm has less is for
    the proposals or the selection. The texts are represented by the goal as in a fit that proposes.
    """

    def unfit(self, dataset: Dataset) -> str | None:
        if not dataset.reference_predicates:
            return "the data set has no references whose names could be judged: choose another arm, for instance full"
        return super().unfit(dataset)

    def run(self, problem: Problem) -> Outcome:
        names = [what_it_says(reference.rstrip(".")) for reference in problem.dataset.reference_predicates]

        def phrased(engine: Engine) -> AbstractProposer:
            return Listed(Phraser(engine, problem.dataset.goal).phrase(names, complete=True))

        return fitted(problem, proposer=phrased)


@dataclasses.dataclass(frozen=True)
class Shuffled(AbstractArm):
    """The times of the texts are permuted: what is left when a series says nothing about its texts.

    The denotations are scored against the references of the texts all the same; the loss is that of permuted times.
    """

    tasks: ClassVar[tuple[Task, ...]] = ("time_series",)

    def run(self, problem: Problem) -> Outcome:
        return fitted(shuffled(problem))
