"""The concrete models. Each is a file of its own and imports nothing but the numerics of the framework."""

from nlparam.models.classification import Classification as Classification
from nlparam.models.classification import ClassificationData as ClassificationData
from nlparam.models.classification import ClassificationWeights as ClassificationWeights
from nlparam.models.clustering import Clustering as Clustering
from nlparam.models.clustering import ClusteringWeights as ClusteringWeights
from nlparam.models.difference import Difference as Difference
from nlparam.models.difference import DifferenceData as DifferenceData
from nlparam.models.difference import DifferenceWeights as DifferenceWeights
from nlparam.models.regression import Regression as Regression
from nlparam.models.regression import RegressionData as RegressionData
from nlparam.models.regression import RegressionWeights as RegressionWeights
from nlparam.models.time_series import TimeSeries as TimeSeries
from nlparam.models.time_series import TimeSeriesData as TimeSeriesData
from nlparam.models.time_series import TimeSeriesWeights as TimeSeriesWeights
