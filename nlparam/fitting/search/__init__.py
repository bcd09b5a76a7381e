"""The search for predicates: relax, propose, judge, select, and again."""

from nlparam.fitting.search.driver import Search as Search
from nlparam.fitting.search.options import SearchOptions as SearchOptions
from nlparam.fitting.search.run import Found as Found
from nlparam.fitting.search.run import run_search as run_search
