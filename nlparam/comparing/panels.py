"""Panels: which texts of the research split a proposer is shown, so that it sees what tells the groups apart."""

import dataclasses

import jax
import numpy as np

from nlparam.models import Classification
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.relax import relax
from nlparam.numerics.core.representative import typical_texts


@dataclasses.dataclass(frozen=True)
class PanelRows:
    """A panel as rows of the research split: `more` of the group, `fewer` of the others."""

    group: int
    more: np.ndarray
    fewer: np.ndarray


# The shares of each group that are taken as typical of a direction, and of what tells the group from all others.
_OF_DIRECTION, _OF_GROUP = 0.1, 0.25
# For each text.
_RIDGE = 1e-3
# Texts of each group beyond which directions are no better for seeing more.
_RELAXED = 2000


def random_panels(groups: np.ndarray, n_groups: int, n_shown: int, *, rng: np.random.Generator) -> list[PanelRows]:
    """For each group a panel of any of its texts, and any of the others. No embedding is needed."""
    panels = []
    for group in range(n_groups):
        members, others = np.flatnonzero(groups == group), np.flatnonzero(groups != group)
        panels.append(PanelRows(group, _draw(members, n_shown, rng), _draw(others, n_shown, rng)))
    return panels


def directed_panels(
    embeddings: np.ndarray,
    groups: np.ndarray,
    n_groups: int,
    n_shown: int,
    *,
    n_directions: int,
    rng: np.random.Generator,
    seed: int,
) -> list[PanelRows]:
    """For each direction that tells the groups apart a panel, and for each group one of what all of them say together.

    A classification of the groups with `n_directions` predicates is relaxed (arXiv 2409.08466, section 4). A direction
    belongs to the group whose odds it raises most. Its panel shows typical texts of the group high up, and texts of the
    others that are low; both are spread across the direction (`typical_texts`).

    **Arguments:** `embeddings`, `(n_texts, embed_dim)` of the research split; `groups`, `(n_texts,)` integers.
    """
    rows = np.concatenate([_draw(np.flatnonzero(groups == group), _RELAXED, rng) for group in range(n_groups)])
    # No prior here: what is sought are directions, which should not depend on the number of texts.
    model = Classification(n_predicates=n_directions, n_classes=n_groups, ridge=_RIDGE * len(rows))
    found = relax(model, to_device(embeddings[rows]), to_device(groups[rows]), n_restarts=4, key=jax.random.key(seed))
    scores = np.asarray(embeddings @ np.asarray(found.directions).T)
    coefficients = np.asarray(found.weights.coefficients)
    odds = np.asarray(model.link(to_device(scores))) @ coefficients.T  # (n_texts, n_groups)
    wanted = [(int(np.argmax(coefficients[:, slot])), scores[:, slot], _OF_DIRECTION) for slot in range(n_directions)]
    wanted += [(group, odds[:, group] - odds.mean(axis=1), _OF_GROUP) for group in range(n_groups)]
    panels = []
    for group, score, share in wanted:
        members, others = np.flatnonzero(groups == group), np.flatnonzero(groups != group)
        more = typical_texts(score[members], embeddings[members], n_shown, share=share, rng=rng)
        fewer = typical_texts(-score[others], embeddings[others], n_shown, share=0.5, rng=rng)
        panels.append(PanelRows(group, members[more], others[fewer]))
    return panels


def _draw(rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= n else np.sort(rng.choice(rows, n, replace=False))
