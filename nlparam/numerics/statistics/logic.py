"""Logic on denotations: and, or, not of columns, and what every change of one part would do to the whole."""

from typing import NamedTuple, TypeAlias

import numpy as np

# A column by its number, or ("and" | "or", tree, tree, ...), or ("not", tree).
Tree: TypeAlias = int | tuple


def evaluate(tree: Tree, columns: np.ndarray) -> np.ndarray:
    """The denotation of a whole from those of its parts, taken to be independent given the text.

    **Arguments:** `columns`, `(n_texts, n_columns)` probabilities, or 0 and 1.

    **Returns:** `(n_texts,)`: the product for "and", 1 minus the product of what is missing for "or", 1 minus for
    "not".
    """
    return _evaluate(tree, iter([columns[:, column] for column in columns_of(tree)]))


def columns_of(tree: Tree) -> list[int]:
    """The column of each part, from left to right."""
    if not isinstance(tree, tuple):
        return [tree]
    return [column for operand in tree[1:] for column in columns_of(operand)]


def agreement(denotation: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """The weighted share of texts for which a denotation, taken at 0.5, equals the label; weights add up to 1."""
    return float(weights @ ((denotation >= 0.5) == labels))


def balanced_weights(labels: np.ndarray) -> np.ndarray:
    """`(n_texts,)` weights by which the texts with either label count half: agreement is then not had by saying no.

    Raises `ValueError` if there are no texts.
    """
    if len(labels) == 0:
        raise ValueError("got no labels, expected at least one")
    positive = np.mean(labels)
    return np.where(labels, 0.5 / max(positive, 1e-12), 0.5 / max(1 - positive, 1e-12)) / len(labels)


class Edits(NamedTuple):
    """The agreement of the whole after every change of one part.

    `replaced`, `(n_parts, n_candidates)`, with the part replaced by a candidate; `negated`, the same by the candidate's
    opposite.
    """

    replaced: np.ndarray
    negated: np.ndarray


def one_part_edits(
    tree: Tree, columns: np.ndarray, candidates: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> Edits:
    """Evaluates all changes of one part at once, in hard logic.

    For each text the whole is what it is with the part false, or with the part true. So the agreement with a candidate
    is a sum over texts of one of two known numbers, and all candidates are one product.

    **Arguments:** `columns`, `(n_texts, n_columns)`; `candidates`, `(n_texts, n_candidates)`, both taken at 0.5;
    `labels`, `(n_texts,)` of booleans; `weights`, `(n_texts,)`, adding up to 1.
    """
    held = (columns >= 0.5).astype(np.float64)
    offered = (candidates >= 0.5).astype(np.float64)
    leaves = [held[:, column] for column in columns_of(tree)]
    replaced, negated = [], []
    for number in range(len(leaves)):
        right = []
        for value in (0.0, 1.0):
            given = [*leaves[:number], np.full(len(held), value), *leaves[number + 1 :]]
            right.append(weights * ((_evaluate(tree, iter(given)) >= 0.5) == labels))
        false, true = right
        replaced.append(false.sum() + offered.T @ (true - false))
        negated.append(true.sum() + offered.T @ (false - true))
    return Edits(np.asarray(replaced), np.asarray(negated))


def _evaluate(tree: Tree, leaves) -> np.ndarray:
    if not isinstance(tree, tuple):
        return next(leaves)
    word, *operands = tree
    values = [_evaluate(operand, leaves) for operand in operands]
    if word == "not":
        return 1.0 - values[0]
    if word == "and":
        return np.prod(values, axis=0)
    return 1.0 - np.prod([1.0 - value for value in values], axis=0)
