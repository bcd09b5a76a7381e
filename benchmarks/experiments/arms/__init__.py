"""The arms of the experiments by name: nlparam in full, its ablations, its siblings and the baselines."""

import functools
from collections.abc import Callable

from benchmarks.experiments.arms.ablations import (
    Coordinate,
    Full,
    MoreAtOnce,
    Named,
    NoGoalRepresentation,
    NoRefinement,
    NoRelaxation,
    OneHot,
    OtherEmbedder,
    Shuffled,
)
from benchmarks.experiments.arms.clusters import KMeans, TfidfKMeans, TopicModel
from benchmarks.experiments.arms.goalex import Goalex, Prompting
from benchmarks.experiments.arms.peers import Bertopic, Hypothesaes, Lloom
from benchmarks.experiments.arms.published import Published
from benchmarks.experiments.base import AbstractArm

# An arm is a class, or a class with other defaults.
ARMS: dict[str, Callable[..., AbstractArm]] = {
    "full": Full,
    "no_relaxation": NoRelaxation,
    "no_refinement": NoRefinement,
    "more_at_once": MoreAtOnce,
    "coordinate": Coordinate,
    "named": Named,
    "one_hot": OneHot,
    "other_embedder": OtherEmbedder,
    "prompting": Prompting,
    "shuffled": Shuffled,
    "goalex": Goalex,
    "goalex_published": functools.partial(Goalex, n_proposals=30, n_rounds=5, committed=True),
    "no_goal_representation": NoGoalRepresentation,
    "published": Published,
    "published_no_relaxation": functools.partial(Published, relaxation=False),
    "published_no_refinement": functools.partial(Published, n_rounds=0),
    "published_one_hot": functools.partial(Published, embedder="one_hot"),
    "published_other_embedder": functools.partial(Published, embedder=OtherEmbedder.embedder),
    "published_shuffled": functools.partial(Published, shuffled=True),
    "kmeans": KMeans,
    "tfidf_kmeans": TfidfKMeans,
    "topic_model": TopicModel,
    "bertopic": Bertopic,
    "hypothesaes": Hypothesaes,
    "lloom": Lloom,
}
