"""The concrete models. Each is a file of its own and imports nothing but the numerics of the framework."""

from nlparam.models.clustering import Clustering as Clustering
from nlparam.models.clustering import ClusteringWeights as ClusteringWeights
