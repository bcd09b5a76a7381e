"""The arms of the experiments by name: nlparam in full, its ablations, its siblings and the baselines."""

from benchmarks.experiments.arms.ablations import (
    Coordinate,
    Full,
    NoGoalRepresentation,
    NoRefinement,
    NoRelaxation,
    Shuffled,
)
from benchmarks.experiments.arms.clusters import Bertopic, KMeans, TfidfKMeans, TopicModel
from benchmarks.experiments.arms.goalex import Goalex
from benchmarks.experiments.arms.one_hot import OneHot
from benchmarks.experiments.arms.prompting import Prompting
from benchmarks.experiments.arms.sparse import Hypothesaes
from benchmarks.experiments.base import AbstractArm

ARMS: dict[str, type[AbstractArm]] = {
    "full": Full,
    "no_relaxation": NoRelaxation,
    "no_refinement": NoRefinement,
    "coordinate": Coordinate,
    "one_hot": OneHot,
    "prompting": Prompting,
    "shuffled": Shuffled,
    "goalex": Goalex,
    "no_goal_representation": NoGoalRepresentation,
    "kmeans": KMeans,
    "tfidf_kmeans": TfidfKMeans,
    "topic_model": TopicModel,
    "bertopic": Bertopic,
    "hypothesaes": Hypothesaes,
}
