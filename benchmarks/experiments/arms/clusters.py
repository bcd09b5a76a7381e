"""Baselines that cluster texts without a language model, or with one that describes what came out."""

import dataclasses
from typing import ClassVar

import numpy as np

from benchmarks.commands import new_kmeans
from benchmarks.experiments.arms.shared import clusters, embedded, only_for, propose
from benchmarks.experiments.base import AbstractArm, Outcome, Problem
from nlparam.corpus.corpus import Corpus
from nlparam.runtime.costs import Costs


@dataclasses.dataclass(frozen=True)
class KMeans(AbstractArm):
    """k-means on the plain embeddings; the language model describes each cluster from the texts next to its centre."""

    n_init: int = 10

    def run(self, problem: Problem) -> Outcome:
        only_for(problem, "kmeans", "clustering")
        costs, n_clusters = Costs(), problem.model.n_predicates
        corpus, embeddings = embedded(problem, costs)
        with costs.stage("clustering"):
            labels, centres = _kmeans(embeddings, corpus, n_clusters, self.n_init, problem.seed)
        scores = embeddings @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T
        proposals = propose(problem, corpus.distinct, scores, costs)
        predicates: list[str] = []
        for number, slot in enumerate(proposals, 1):
            fresh = [predicate for predicate in slot if predicate not in predicates]
            predicates.append((fresh or slot or [f"belongs to cluster {number}"])[0])
        return clusters(corpus.spread(labels, fill=-1), predicates, n_clusters, costs)


@dataclasses.dataclass(frozen=True)
class TfidfKMeans(AbstractArm):
    """k-means on TF-IDF reduced by SVD; a cluster is described by its words of the highest weight."""

    uses_language_model: ClassVar[bool] = False
    n_dimensions: int = 100
    n_init: int = 10
    n_words: int = 5

    def run(self, problem: Problem) -> Outcome:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.preprocessing import normalize

        only_for(problem, "tfidf_kmeans", "clustering")
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
        return clusters(corpus.spread(labels, fill=-1), predicates, n_clusters, costs)


@dataclasses.dataclass(frozen=True)
class TopicModel(AbstractArm):
    """Latent Dirichlet allocation; a topic is described by its most likely words, a text belongs to its main topic."""

    uses_language_model: ClassVar[bool] = False
    max_iter: int = 50
    n_words: int = 5

    def run(self, problem: Problem) -> Outcome:
        from sklearn.decomposition import LatentDirichletAllocation
        from sklearn.feature_extraction.text import CountVectorizer

        only_for(problem, "topic_model", "clustering")
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


@dataclasses.dataclass(frozen=True)
class Bertopic(AbstractArm):
    """BERTopic (if it is installed) on the plain embeddings, with k-means in place of HDBSCAN to get K topics."""

    uses_language_model: ClassVar[bool] = False
    n_words: int = 5

    def run(self, problem: Problem) -> Outcome:
        only_for(problem, "bertopic", "clustering")
        try:
            from bertopic import BERTopic  # pyright: ignore[reportMissingImports]
            from umap import UMAP  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise ValueError(f"the arm bertopic needs a package ({error}): pip install bertopic") from error
        costs, n_clusters = Costs(), problem.model.n_predicates
        corpus, embeddings = embedded(problem, costs)
        with costs.stage("clustering"):
            model = BERTopic(
                # BERTopic's own settings, but for the seed: its default UMAP has none.
                umap_model=UMAP(
                    n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=problem.seed
                ),
                hdbscan_model=new_kmeans(n_clusters, seed=problem.seed),
            )
            topics, _ = model.fit_transform(list(corpus.distinct), embeddings=embeddings)
        found = [model.get_topic(number) for number in range(n_clusters)]
        predicates = [_described([word for word, _ in topic or []][: self.n_words]) for topic in found]
        return clusters(corpus.spread(np.asarray(topics), fill=-1), predicates, n_clusters, costs)


def _kmeans(
    vectors: np.ndarray, corpus: Corpus, n_clusters: int, n_init: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The cluster of every distinct text, and the centres."""
    model = new_kmeans(n_clusters, seed=seed, n_init=n_init)
    labels = model.fit_predict(vectors, sample_weight=corpus.multiplicity.astype(np.float64))
    return labels.astype(np.int64), model.cluster_centers_


def _described(words) -> str:
    return f"uses words like {', '.join(map(str, words))}" if len(words) else "uses words of no topic"
