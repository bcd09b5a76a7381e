"""The report of a fit."""

from nlparam.fitting.page.report import FitPage as FitPage
from nlparam.fitting.page.report import plot_quantity as plot_quantity
