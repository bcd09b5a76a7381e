"""Baselines that cluster texts without a language model, or with one that describes what came out."""

import dataclasses
from typing import ClassVar

import numpy as np

from benchmarks.commands import kmeans
from benchmarks.experiments.arms.shared import clusters, embedded, propose
from benchmarks.experiments.base import AbstractArm, Outcome, Problem, Task
from nlparam.corpus.corpus import Corpus
from nlparam.runtime.costs import Costs


@dataclasses.dataclass(frozen=True)
class KMeans(AbstractArm):
    """k-means on the plain embeddings; the language model describes each cluster from the texts next to its centre."""

    tasks: ClassVar[tuple[Task, ...]] = ("clustering",)
    n_init: int = 10

    def run(self, problem: Problem) -> Outcome:
        costs, n_clusters = Costs(), problem.model.n_predicates
        corpus = Corpus.from_texts(problem.dataset.texts)
        embeddings = embedded(problem, corpus.distinct, costs)
        with costs.stage("clustering"):
            labels, centres = _kmeans(embeddings, corpus, n_clusters, self.n_init, problem.seed)
        scores = embeddings @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T
        proposals = propose(problem, corpus.distinct, scores, costs)
        predicates: list[str] = []
        for number, slot in enumerate(proposals, 1):
            fresh = [predicate for predicate in slot if predicate not in predicates]
            predicates.append((fresh or slot or [f"belongs to cluster {number}"])[0])
        return clusters(corpus.spread(labels, fill=-1), predicates, costs)


@dataclasses.dataclass(frozen=True)
class TfidfKMeans(AbstractArm):
    """k-means on TF-IDF reduced by SVD; a cluster is described by its words of the highest weight."""

    uses_language_model: ClassVar[bool] = False
    tasks: ClassVar[tuple[Task, ...]] = ("clustering",)
    n_dimensions: int = 100
    n_init: int = 10
    n_words: int = 5

    def run(self, problem: Problem) -> Outcome:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.preprocessing import normalize

        costs, corpus = Costs(), Corpus.from_texts(problem.dataset.texts)
        n_clusters = problem.model.n_predicates
        with costs.stage("clustering"):
            vectoriser = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english")
            weights = vectoriser.fit_transform(corpus.distinct)
            n_dimensions = min(self.n_dimensions, min(weights.shape) - 1)
            reduced = TruncatedSVD(n_dimensions, random_state=problem.seed).fit_transform(weights)
            labels, _ = _kmeans(np.asarray(normalize(reduced)), corpus, n_clusters, self.n_init, problem.seed)
            words = vectoriser.get_feature_names_out()
            means = np.stack([np.asarray(weights[labels == c].sum(axis=0)).ravel() for c in range(n_clusters)])
        predicates = [_described(words[np.argsort(-mean)[: self.n_words]]) for mean in means]
        return clusters(corpus.spread(labels, fill=-1), predicates, costs)


@dataclasses.dataclass(frozen=True)
class TopicModel(AbstractArm):
    """Latent Dirichlet allocation; a topic is described by its most likely words, a text belongs to its main topic."""

    uses_language_model: ClassVar[bool] = False
    tasks: ClassVar[tuple[Task, ...]] = ("clustering",)
    max_iter: int = 50
    n_words: int = 5

    def run(self, problem: Problem) -> Outcome:
        from sklearn.decomposition import LatentDirichletAllocation
        from sklearn.feature_extraction.text import CountVectorizer

        costs, corpus = Costs(), Corpus.from_texts(problem.dataset.texts)
        with costs.stage("clustering"):
            vectoriser = CountVectorizer(min_df=2, max_df=0.5, stop_words="english")
            counts = vectoriser.fit_transform(corpus.distinct)
            topics = LatentDirichletAllocation(
                problem.model.n_predicates, max_iter=self.max_iter, random_state=problem.seed
            )
            shares = topics.fit_transform(counts)
        words = vectoriser.get_feature_names_out()
        predicates = [_described(words[np.argsort(-topic)[: self.n_words]]) for topic in topics.components_]
        return Outcome(predicates, corpus.spread(shares), costs, corpus.spread(shares.argmax(axis=1), fill=-1))


def _kmeans(
    vectors: np.ndarray, corpus: Corpus, n_clusters: int, n_init: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The cluster of every distinct text, and the centres."""
    weights = corpus.multiplicity.astype(np.float64)
    model = kmeans(vectors, n_clusters, seed=seed, n_init=n_init, weights=weights)
    return model.labels_.astype(np.int64), model.cluster_centers_


def _described(words) -> str:
    return f"uses words like {', '.join(map(str, words))}" if len(words) else "uses words of no topic"
