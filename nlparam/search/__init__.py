"""The search for predicates: relax, propose, judge, select, and again."""

from nlparam.search.driver import Found as Found
from nlparam.search.driver import Search as Search
from nlparam.search.options import SearchOptions as SearchOptions
