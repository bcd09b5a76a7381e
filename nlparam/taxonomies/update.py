"""`nlparam.update`: new texts in a taxonomy that keeps its predicates, what is missing in it, and what has changed."""

import dataclasses
import datetime
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.frames import texts_of
from nlparam.denotation.labels import Labelled
from nlparam.denotation.session import Session, accepts, check_names
from nlparam.errors import CorpusError, FitWarning
from nlparam.fitting.split import cluster_codes
from nlparam.numerics.statistics.effects import correct_p_values
from nlparam.numerics.statistics.prevalence import Prevalence, drift, prevalence, random_sample
from nlparam.numerics.statistics.selection import look_level
from nlparam.taxonomies.dividing import Divider
from nlparam.taxonomies.drift import Addition, NodeDrift, Unexplained, Update
from nlparam.taxonomies.edit import plan
from nlparam.taxonomies.entries import entries_of
from nlparam.taxonomies.missing import add_missing
from nlparam.taxonomies.new_texts import all_clusters, all_stamps, check_options, notes_on
from nlparam.taxonomies.people import said_by_people
from nlparam.taxonomies.placing import Assigned, placed
from nlparam.taxonomies.rebuilding import Rebuilding
from nlparam.taxonomies.records import ROOT, Node, judged
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.sampling import judged_sample
from nlparam.taxonomies.setup import AskingAgain, dividing, session_for
from nlparam.taxonomies.tree import Branch, assemble

# Of how many texts of each kind a small language model, and any other, judges the nodes to correct the head.
_JUDGED_SMALL, _JUDGED_STRONG = 60, 250


@accepts(AskingAgain, session_for, Session)
def update(
    taxonomy: Taxonomy,
    texts: Sequence[str],
    *,
    text_field: str | None = None,
    stamps: Sequence[Any] | str | None = None,
    clusters: Sequence[Any] | str | None = None,
    labels: Labelled | str | Path | None = None,
    n_judged: int | str | None = "auto",
    propose: str = "auto",
    least_unexplained: int = 12,
    confidence: float = 0.95,
    level: float = 0.05,
    look: int | None = None,
    seed: int = 0,
    **asked: Unpack[AskingAgain],
) -> Update:
    """Brings new texts into a taxonomy.

    The predicates stay. The heads put the new texts under the nodes; the language model judges a random sample of the
    texts before and of the new ones from the top down, by which the prevalences are corrected (see
    `nlparam.numerics.statistics.prevalence`). Where more new texts than before are under none of a node's children,
    children are proposed for them, judged, and added if they explain these texts and not the others; nodes that
    exist are not touched.

    **Arguments:**

    - `stamps`: the times of the new texts, as for `nlparam.taxonomy`, if the taxonomy has times or is to have some.
    - `clusters`: what each new text belongs to, such as a thread or an author. Texts that belong together say less than
      as many others: intervals are wider. Those of the texts before are in the taxonomy, if it was grown with some.
    - `labels`: what people say of some texts, drawn at random from those before and from the new ones, for the
      predicates of the nodes. Prevalences are then as people see it, corrected for the errors of the language model.
    - `n_judged`: on how many texts, of those before and of the new ones, the nodes are judged; `None` for all, `0` for
      none (prevalences are then as the head sees it, and no change is claimed). `"auto"` is 60 for small language
      models, else 250.
    - `propose`: `"auto"`, where the share of unexplained texts rose at the `level`; `"always"`, wherever there are
      `least_unexplained` of them; `"never"`.
    - `confidence` of the intervals; `level`, the false discovery rate of the changes that are claimed.
    - `look`: how often the texts before have been compared with newer ones, this time included; by default one more
      than the updates in the history of the taxonomy. Each look is given a part of the `level`
      (`nlparam.numerics.statistics.selection.look_level`).
    - `lm`, `calibration`, `budget`, `store`, `timeout`: as for `nlparam.refit`. `seed`, of the samples.

    **Raises:** `CorpusError` if all new texts are blank, or labels are of texts or predicates that are not there,
    `ValueError` for impossible options, and what `nlparam.refit` raises of the language model.
    """
    check_names(update, asked)
    given, (stamps, clusters) = texts_of(texts, text_field, stamps, clusters)
    new = Corpus.from_texts(given)
    if not new.distinct:
        raise CorpusError(f"all {len(new):,} new texts are blank: check the file and the field of the text")
    check_options(n_judged, propose, level, confidence, look)
    look = 1 + len(taxonomy.settings.get("updates") or ()) if look is None else look
    kept = {
        "stamps": all_stamps(taxonomy, stamps, len(new)),
        "clusters": all_clusters(taxonomy, clusters, len(new)),
    }
    people = None
    if labels is not None:
        labelled = Labelled.given(labels)
        people = said_by_people(taxonomy, labelled, [*taxonomy.texts, *new.texts])
    n_labelled = None if people is None else _n_labelled(people, len(taxonomy.corpus), len(new))
    notes = notes_on(taxonomy, new, clustered=clusters is not None, n_labelled=n_labelled)
    for note in notes:
        warnings.warn(note, FitWarning, stacklevel=2)
    asks = n_judged != 0 or propose != "never"
    with dividing(taxonomy, [*taxonomy.texts, *new.texts], asks=asks, **asked) as divider:
        updating = _Updating(
            before=taxonomy,
            divider=divider,
            codes=None if kept["clusters"] is None else cluster_codes(kept["clusters"], len(divider.run.corpus)),
            people=people,
            n_labelled=n_labelled,
            notes=notes,
            n_asked=n_judged,
            propose=propose,
            least_unexplained=least_unexplained,
            confidence=confidence,
            level=level,
            look=look,
            seed=seed,
        )
        updated = updating.run()
    return dataclasses.replace(updated, taxonomy=dataclasses.replace(updated.taxonomy, **kept))


@dataclasses.dataclass
class _Updating:
    """One update: the tree over all texts, the samples, what is missing, and the drift.

    `codes` are clusters, `(n_texts,)`; `n_asked` is `n_judged` of `update`, and the others are its options.
    """

    before: Taxonomy
    divider: Divider
    codes: np.ndarray | None
    people: dict[str, np.ndarray] | None
    n_labelled: tuple[int, int] | None
    notes: list[str]
    n_asked: int | str | None
    propose: str
    least_unexplained: int
    confidence: float
    level: float
    look: int
    seed: int

    def __post_init__(self):
        self.corpus, self.n_old = self.divider.run.corpus, len(self.before.corpus)
        n_asked = self.n_asked
        if isinstance(n_asked, str):  # "auto"
            n_asked = _JUDGED_SMALL if self.divider.options.correct_bias else _JUDGED_STRONG
        # Texts of each kind, by their numbers among all.
        self.kinds = np.split(np.arange(len(self.corpus)), [self.n_old])
        drawn = [of[random_sample(len(of), n_asked, seed=self.seed)] for of in self.kinds]
        if n_asked != 0:
            # What people say corrects the language model only where it said something too.
            labelled = _labelled(self.people, len(self.corpus))
            drawn = [np.union1d(some, np.intersect1d(labelled, of)) for some, of in zip(drawn, self.kinds, strict=True)]
        self.drawn, self.n_judged = np.concatenate(drawn), (len(drawn[0]), len(drawn[1]))
        chances = [len(some) / len(of) for some, of in zip(drawn, self.kinds, strict=True)]
        self.inclusion = np.repeat(chances, self.n_judged)
        # What this look may spend of the level.
        self.level_here = look_level(self.look, level=self.level)

    def run(self) -> Update:
        taxonomy, divider = self.before, self.divider
        forbidden = taxonomy.settings.get("excluded") or ()
        self.rebuilding = Rebuilding(taxonomy, divider, forbidden=forbidden, mostly_the_same=0.0)
        root = self.rebuilding.root(plan(entries_of(taxonomy), taxonomy).root)
        tree = self._judged(self._assembled(root))
        unexplained, added = self._complete(tree, root)
        if added:
            tree = self._judged(self._assembled(root))
        costs, changes = divider.run.costs, self._drift(tree)
        self._note_heads(tree, changes)
        entry = {
            "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "n_before": self.n_old,
            "n_new": len(self.kinds[1]),
            "added": [one.predicate for one in added],
            "look": self.look,
        }
        tree = dataclasses.replace(
            tree,
            settings=tree.settings | {"updates": [*(taxonomy.settings.get("updates") or ()), entry]},
            costs=taxonomy.costs + costs,
        )
        return Update(
            taxonomy=tree,
            assigned=self._assigned(tree),
            drift=changes,
            unexplained=unexplained,
            added=added,
            n_before=self.n_old,
            n_judged=self.n_judged,
            confidence=self.confidence,
            level=self.level,
            look=self.look,
            n_labelled=self.n_labelled,
            warnings=self.notes,
            costs=costs,
        )

    def _assembled(self, root: Branch) -> Taxonomy:
        corpus = self.divider.run.settings["corpus"]
        return assemble(self.divider, root, self.before.settings | {"locked": self.rebuilding.locked, "corpus": corpus})

    def _judged(self, tree: Taxonomy) -> Taxonomy:
        """The tree with its sample: those drawn, and what the language model says of them."""
        answered = self.rebuilding.known
        with self.divider.run.costs.stage("judging"):
            sample = judged_sample(
                tree,
                self.divider.run.judge,
                self.drawn,
                self.inclusion,
                known=lambda predicate, text: answered.get(predicate.casefold(), {}).get(text),
            )
        return dataclasses.replace(tree, sample=sample if len(sample) else None)

    def _complete(self, tree: Taxonomy, root: Branch) -> tuple[list[Unexplained], list[Addition]]:
        """Says where new texts are unexplained, and adds the children that are missing to the branches."""
        branches, texts_of, listed, added = _by_id(root), {}, [], []
        for node in tree.divided():
            residual = tree.nodes[node.children[-1]]
            of_node, left = self._mask(node), self._mask(residual)
            there = [of[of_node[of]] for of in self.kinds]
            if min(map(len, there)) == 0:
                continue
            before, now = self._shares(tree, there, residual.id)
            p_value = drift(before, now).p_value / 2
            p_value = p_value if now.share > before.share else 1 - p_value
            by_model = np.zeros(0, int)
            if tree.sample is not None:
                by_model = tree.sample.texts[tree.sample.under[residual.id] == 1]
            texts = np.union1d(self.kinds[1][left[self.kinds[1]]], by_model[by_model >= self.n_old])
            texts_of[node.id] = texts
            listed.append(Unexplained(node.id, node.name, len(there[1]), len(texts), before, now, float(p_value), ""))
        tested = [one.n_unexplained >= self.least_unexplained for one in listed]
        adjusted = np.ones(len(listed))
        adjusted[tested] = correct_p_values([one.p_value for one, t in zip(listed, tested, strict=True) if t], "bh")
        for at, (one, p_value) in enumerate(zip(listed, adjusted.tolist(), strict=True)):
            outcome, additions = self._seek(one, texts_of[one.node], branches[one.node], p_value)
            listed[at] = dataclasses.replace(one, outcome=outcome)
            added += additions
        return listed, added

    def _seek(self, one: Unexplained, texts: np.ndarray, branch: Branch, p_value: float) -> tuple[str, list[Addition]]:
        if one.n_unexplained < self.least_unexplained:
            return f"fewer than {self.least_unexplained} texts", []
        if self.propose == "never":
            return "nothing was proposed, as was asked for", []
        if self.propose == "auto" and min(self.n_judged) == 0:
            return "whether that is more than before cannot be told, as nothing was judged", []
        if self.propose == "auto" and p_value > self.level_here:
            return "no more than before, as far as can be told", []
        if self.divider.run.meter.spent is not None:
            return f"the budget is spent ({self.divider.run.meter.spent}) before children were proposed", []
        additions, reasons = add_missing(self.rebuilding, branch, one.node, np.unique(self.corpus.row[texts]))
        if additions:
            return f"added {', '.join(each.predicate for each in additions)}", additions
        return "; ".join(reasons) or "nothing usable was proposed", []

    def _drift(self, tree: Taxonomy) -> list[NodeDrift]:
        there = {(node.parent, judged(node)) for node in self.before.nodes.values() if node.predicate is not None}
        nodes = [node for node in tree.nodes.values() if node.id != ROOT]
        shares = [self._shares(tree, self.kinds, node.id) for node in nodes]
        changes = [drift(before, now) for before, now in shares]
        adjusted = correct_p_values([change.p_value for change in changes], "bh")
        return [
            NodeDrift(
                id=node.id,
                name=node.name,
                depth=node.depth,
                added=node.predicate is not None and (node.parent, judged(node)) not in there,
                before=before,
                now=now,
                drift=change,
                p_adjusted=float(p_value),
                changed=bool(p_value <= self.level_here),
            )
            for node, (before, now), change, p_value in zip(nodes, shares, changes, adjusted, strict=True)
        ]

    def _note_heads(self, tree: Taxonomy, changes: Sequence[NodeDrift]) -> None:
        """Warns if the heads put far more or fewer of the new texts under nodes than is estimated."""
        off = []
        for one in changes:
            share = float(self._mask(tree.nodes[one.id])[self.kinds[1]].mean())
            if one.now.corrected and not one.now.low <= share <= one.now.high:
                off.append(f"{one.id} ({share:.0%}, estimated {one.now.share:.0%})")
        if off:
            note = (
                f"the heads put another share of the new texts under {', '.join(off)}: "
                "where single texts are is that unsure (the shares here are corrected); for the language model's own "
                "answers, predict with by='exact' (--by exact)"
            )
            self.notes.append(note)
            warnings.warn(note, FitWarning, stacklevel=4)

    def _mask(self, node: Node) -> np.ndarray:
        mask = np.zeros(len(self.corpus), dtype=bool)
        mask[node.members] = True
        return mask

    def _shares(self, tree: Taxonomy, kinds: Sequence[np.ndarray], node: str) -> list[Prevalence]:
        """The share under a node of some texts before and of some new ones, for people if enough of both have labels.

        What people see before and the language model sees now are two things.
        """
        people = None if self.people is None else self.people.get(node)
        shares = [self._prevalence(tree, texts, node, people) for texts in kinds]
        if len({share.target for share in shares}) == 1:
            return shares
        return [self._prevalence(tree, texts, node, None) for texts in kinds]

    def _prevalence(self, tree: Taxonomy, texts: np.ndarray, node: str, people: np.ndarray | None) -> Prevalence:
        """The share corrected by those of the texts that are in the sample, and by their labels."""
        answers = np.full(len(self.corpus), np.nan)
        if tree.sample is not None:
            answers[tree.sample.texts] = tree.sample.under[node]
        judged = np.flatnonzero(np.isfinite(answers[texts]))
        return prevalence(
            self._mask(tree.nodes[node])[texts],
            judged,
            answers[texts][judged] == 1,
            people=None if people is None else people[texts],
            clusters=None if self.codes is None else self.codes[texts],
            confidence=self.confidence,
        )

    def _assigned(self, tree: Taxonomy) -> Assigned:
        """Where the new texts are in the tree."""
        new = Corpus.from_texts(tree.texts[self.n_old :])
        denotations = {node: values[self.n_old :] for node, values in tree.spread().items()}
        return placed(tree, new, denotations, self.divider.run.costs)


def _labelled(people: dict[str, np.ndarray] | None, n_texts: int) -> np.ndarray:
    """The numbers of the texts that have a label for some node."""
    known = np.zeros(n_texts, dtype=bool)
    for labels in (people or {}).values():
        known |= np.isfinite(labels)
    return np.flatnonzero(known)


def _n_labelled(people: dict[str, np.ndarray], n_before: int, n_new: int) -> tuple[int, int]:
    """How many of the texts before and of the new ones have a label for some node."""
    labelled = _labelled(people, n_before + n_new)
    return int((labelled < n_before).sum()), int((labelled >= n_before).sum())


def _by_id(root: Branch) -> dict[str, Branch]:
    """The branches by the ids that they get in the tree."""
    found = {ROOT: root}

    def visit(branch: Branch, prefix: str) -> None:
        for number, child in enumerate(branch.children, 1):
            found[f"{prefix}{number}"] = child
            visit(child, f"{prefix}{number}.")

    visit(root, "")
    return found
