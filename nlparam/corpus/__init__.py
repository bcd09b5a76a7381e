"""Texts in: a corpus, readers of files, named data sets, times and labels. Nothing here knows predicates or models."""

from nlparam.corpus.corpus import Corpus as Corpus
