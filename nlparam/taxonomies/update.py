"""`nlparam.update`: new texts in a taxonomy that keeps its predicates, what is missing in it, and what has changed."""

import dataclasses
import datetime
import warnings
from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.session import Session, accepts, check_names
from nlparam.errors import CorpusError, FitWarning
from nlparam.language.detect import alike, language_name, main_language
from nlparam.numerics.statistics.effects import correct_p_values
from nlparam.numerics.statistics.prevalence import Prevalence, drift, prevalence, random_sample
from nlparam.taxonomies.assign import Assigned, judge_down, placed
from nlparam.taxonomies.dividing import Divider
from nlparam.taxonomies.drift import Addition, NodeDrift, Unexplained, Update
from nlparam.taxonomies.edit import plan
from nlparam.taxonomies.entries import entries_of, judged
from nlparam.taxonomies.missing import Missing, add_missing
from nlparam.taxonomies.over_time import checked_stamps
from nlparam.taxonomies.rebuilding import Rebuilding
from nlparam.taxonomies.records import HOLDS, ROOT, Node
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.setup import AskingAgain, dividing, session_for
from nlparam.taxonomies.tree import Branch, assemble

PROPOSE = ("auto", "always", "never")
# Of how many texts of each kind a small language model, and any other, judges the nodes to correct the head.
_JUDGED_SMALL, _JUDGED_STRONG = 60, 250
# Fewer new texts make intervals that say little.
_FEW_TEXTS = 30


@accepts(AskingAgain, session_for, Session)
def update(
    taxonomy: Taxonomy,
    texts: Sequence[str],
    *,
    stamps: Sequence[Any] | None = None,
    n_judged: int | str | None = "auto",
    propose: str = "auto",
    least_unexplained: int = 12,
    confidence: float = 0.95,
    level: float = 0.05,
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
    - `n_judged`: on how many texts, of those before and of the new ones, the nodes are judged; `None` for all, `0` for
      none (prevalences are then the head's own). `"auto"` is 60 for small language models, else 250.
    - `propose`: `"auto"`, where the share of unexplained texts rose at the `level`; `"always"`, wherever there are
      `least_unexplained` of them; `"never"`.
    - `confidence` of the intervals; `level`, the false discovery rate of the changes that are claimed.
    - `lm`, `calibration`, `budget`, `store`, `timeout`: as for `nlparam.refit`. `seed`, of the samples.

    **Raises:** `CorpusError` if all new texts are blank, `ValueError` for impossible options, and what `nlparam.refit`
    raises of the language model.
    """
    check_names(update, asked)
    new = Corpus.from_texts(texts)
    if not new.distinct:
        raise CorpusError(f"all {len(new):,} new texts are blank: check the file and the field of the text")
    check_options(n_judged, propose, level, confidence)
    all_stamps = _stamps(taxonomy, stamps, len(new))
    notes = _notes(taxonomy, new)
    for note in notes:
        warnings.warn(note, FitWarning, stacklevel=2)
    asks = n_judged != 0 or propose != "never"
    with dividing(taxonomy, [*taxonomy.texts, *new.texts], asks=asks, **asked) as divider:
        updating = _Updating(taxonomy, divider, n_judged, propose, least_unexplained, confidence, level, seed, notes)
        updated = updating.run()
    return dataclasses.replace(updated, taxonomy=dataclasses.replace(updated.taxonomy, stamps=all_stamps))


class _Updating:
    """One update: the tree over all texts, the samples, what is missing, and the drift."""

    def __init__(self, taxonomy, divider, n_judged, propose, least_unexplained, confidence, level, seed, notes):
        self.before: Taxonomy = taxonomy
        self.divider: Divider = divider
        self.run_, self.n_old = divider.run, len(taxonomy.corpus)
        self.propose, self.least_unexplained = propose, least_unexplained
        self.confidence, self.level, self.notes = confidence, level, notes
        if n_judged == "auto":
            n_judged = _JUDGED_SMALL if divider.options.correct_bias else _JUDGED_STRONG
        n_new = len(divider.run.corpus) - self.n_old
        # Texts of each kind, by their numbers among all.
        self.kinds = [np.arange(self.n_old), self.n_old + np.arange(n_new)]
        self.samples = [of[random_sample(len(of), n_judged, seed=seed)] for of in self.kinds]

    def run(self) -> Update:
        taxonomy, divider = self.before, self.divider
        self.rebuilding = Rebuilding(
            taxonomy,
            divider,
            forbidden=taxonomy.settings.get("excluded") or (),
            depth=int(taxonomy.settings["depth"]),
            mostly_the_same=0.0,
        )
        root = self.rebuilding.root(plan(entries_of(taxonomy), taxonomy).division)
        tree = self._assembled(root)
        self._judge(tree)
        unexplained, added = self._complete(tree, root)
        if added:
            tree = self._assembled(root)
            self._judge(tree)
        costs, changes = divider.run.costs, self._drift(tree)
        self._note_heads(tree, changes)
        entry = {
            "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "n_before": self.n_old,
            "n_new": len(self.kinds[1]),
            "added": [one.predicate for one in added],
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
            n_judged=(len(self.samples[0]), len(self.samples[1])),
            confidence=self.confidence,
            level=self.level,
            warnings=self.notes,
            costs=costs,
        )

    def _assembled(self, root: Branch) -> Taxonomy:
        denoter = self.before.denoter
        assert denoter is not None
        corpus = self.divider.run.settings["corpus"]
        settings = self.before.settings | {"locked": self.rebuilding.locked, "corpus": corpus}
        return assemble(self.divider, denoter.goal_map, root, settings)

    def _judge(self, tree: Taxonomy) -> None:
        """Judges the samples from the top down: for each node, which of them are under it, and where that is known."""
        run = self.run_
        self.said: dict[str, np.ndarray] = {}
        self.known: dict[str, np.ndarray] = {}
        sampled = np.concatenate(self.samples)
        worded = sampled[~run.corpus.blank[sampled]]
        rows, position = np.unique(run.corpus.row[worded], return_inverse=True)
        texts = [run.corpus.distinct[row] for row in rows.tolist()]
        n_texts = len(run.corpus)
        known, under = np.zeros(n_texts, bool), np.zeros(n_texts, bool)
        known[sampled] = True  # of blank texts it is known that nothing holds
        under[worded] = True
        self.known[ROOT], self.said[ROOT] = known, under
        if not texts:
            return
        answered = self.rebuilding.known
        with run.costs.stage("judging"):
            answers = judge_down(
                tree, run.judge, texts, known=lambda predicate, text: answered.get(predicate.casefold(), {}).get(text)
            )
        for node in tree.divided():
            known, under = self.known[node.id].copy(), self.said[node.id]
            holds = {}
            for child in tree.children(node.id):
                one = answers[child.id]
                probability, failed = np.full(n_texts, np.nan), np.zeros(n_texts, bool)
                probability[worded], failed[worded] = one.probabilities[position], one.failed[position]
                holds[child.id] = under & (probability >= HOLDS)
                # Nor is anything known where the language model was not asked any more.
                child_known = self.known[node.id] & ~failed & ~(under & np.isnan(probability))
                self.said[child.id], self.known[child.id] = holds[child.id], child_known
                known &= child_known
            for child in tree.children(node.id, residual=True):
                if child.residual:
                    self.said[child.id] = under & ~np.logical_or.reduce(list(holds.values()))
                    self.known[child.id] = known

    def _complete(self, tree: Taxonomy, root: Branch) -> tuple[list[Unexplained], list[Addition]]:
        """Says where new texts are unexplained, and adds the children that are missing to the branches."""
        branches = _by_id(root)
        found: list[tuple[Node, np.ndarray, Prevalence, Prevalence, float]] = []
        for node in tree.divided():
            residual = next(child for child in tree.children(node.id, residual=True) if child.residual)
            of_node, left = self._mask(node), self._mask(residual)
            shares = [self._prevalence(of[of_node[of]], left, residual.id, sample) for of, sample in self._pairs()]
            before, now = shares
            if before is None or now is None:
                continue
            p_value = drift(before, now).p_value / 2
            p_value = p_value if now.share > before.share else 1 - p_value
            unexplained = self.kinds[1][left[self.kinds[1]]]
            sample = self.samples[1]
            by_model = sample[self.said[residual.id][sample]] if residual.id in self.said else sample[:0]
            found.append((node, np.union1d(unexplained, by_model), before, now, p_value))
        tested = [len(texts) >= self.least_unexplained for _, texts, *_ in found]
        adjusted = np.ones(len(found))
        adjusted[tested] = correct_p_values([one[-1] for one, t in zip(found, tested, strict=True) if t], "bh")
        listed, added = [], []
        for (node, texts, before, now, p_value), enough, adjusted_p in zip(found, tested, adjusted, strict=True):
            outcome, additions = self._seek(node, texts, branches[node.id], enough=enough, p_value=float(adjusted_p))
            added += additions
            n_texts = int(self._mask(node)[self.kinds[1]].sum())
            listed.append(Unexplained(node.id, node.name, n_texts, len(texts), before, now, float(p_value), outcome))
        return listed, added

    def _seek(
        self, node: Node, texts: np.ndarray, branch: Branch, *, enough: bool, p_value: float
    ) -> tuple[str, list[Addition]]:
        if not enough:
            return f"fewer than {self.least_unexplained} texts", []
        if self.propose == "never":
            return "nothing was proposed, as was asked for", []
        if self.propose == "auto" and p_value > self.level:
            return "no more than before, as far as can be told", []
        if self.run_.meter.spent is not None:
            return f"the budget is spent ({self.run_.meter.spent}) before children were proposed", []
        rows = np.unique(self.run_.corpus.row[texts])
        missing: list[Missing] = add_missing(self.rebuilding, branch, rows)
        prefix = "" if node.id == ROOT else f"{node.id}."
        first = len(branch.children) - sum(one.added for one in missing) + 1
        taken = [one for one in missing if one.added]
        additions = [
            Addition(f"{prefix}{first + k}", node.id, one.name, one.share_unexplained, one.share_elsewhere)
            for k, one in enumerate(taken)
        ]
        if additions:
            return f"added {', '.join(one.predicate for one in additions)}", additions
        if not missing:
            return "nothing usable was proposed", []
        return "; ".join(f"{one.name}: {one.reason}" for one in missing), []

    def _drift(self, tree: Taxonomy) -> list[NodeDrift]:
        there = {(node.parent, judged(node)) for node in self.before.nodes.values() if node.predicate is not None}
        found = []
        for node in tree.nodes.values():
            if node.id == ROOT:
                continue
            mask = self._mask(node)
            shares = [self._prevalence(of, mask, node.id, sample) for of, sample in self._pairs()]
            before, now = (share for share in shares if share is not None)  # there are texts of both kinds
            found.append((node, before, now, drift(before, now)))
        adjusted = correct_p_values([one[-1].p_value for one in found], "bh")
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
                changed=bool(p_value <= self.level),
            )
            for (node, before, now, change), p_value in zip(found, adjusted, strict=True)
        ]

    def _note_heads(self, tree: Taxonomy, changes: Sequence[NodeDrift]) -> None:
        """Warns if the heads put far more or fewer of the new texts under nodes than the language model would."""
        off = []
        for one in changes:
            share = float(self._mask(tree.nodes[one.id])[self.kinds[1]].mean())
            if one.now.corrected and not one.now.low <= share <= one.now.high:
                off.append(f"{one.id} ({share:.0%}, estimated {one.now.share:.0%})")
        if off:
            note = (
                f"the heads put another share of the new texts under {', '.join(off)} than the language model would: "
                "where single texts are is that unsure (the shares here are corrected); for the language model's own "
                "answers, predict with by='exact' (--by exact)"
            )
            self.notes.append(note)
            warnings.warn(note, FitWarning, stacklevel=4)

    def _pairs(self):
        return zip(self.kinds, self.samples, strict=True)

    def _mask(self, node: Node) -> np.ndarray:
        mask = np.zeros(len(self.run_.corpus), dtype=bool)
        mask[node.members] = True
        return mask

    def _prevalence(self, texts: np.ndarray, mask: np.ndarray, node: str, sample: np.ndarray) -> Prevalence | None:
        """The share of some texts that are under a node, corrected by those of the sample that are among them."""
        if len(texts) == 0:
            return None
        known = self.known.get(node)  # none where nothing was judged
        usable = np.zeros(0, dtype=int) if known is None else np.intersect1d(sample[known[sample]], texts)
        if len(usable) == 0:
            return prevalence(mask[texts], confidence=self.confidence)
        at = np.searchsorted(texts, usable)
        return prevalence(mask[texts], at, self.said[node][usable], confidence=self.confidence)

    def _assigned(self, tree: Taxonomy) -> Assigned:
        """Where the new texts are in the tree."""
        new = Corpus.from_texts(tree.texts[self.n_old :])
        denotations = {}
        for node in tree.nodes.values():
            if node.predicate is not None:
                values = np.zeros(len(tree.corpus))
                values[tree.nodes[node.parent or ROOT].members] = node.denotations
                denotations[node.id] = values[self.n_old :]
        return placed(tree, new, denotations, self.divider.run.costs)


def _by_id(root: Branch) -> dict[str, Branch]:
    """The branches by the ids that they get in the tree."""
    found = {ROOT: root}

    def visit(branch: Branch, prefix: str) -> None:
        for number, child in enumerate(branch.children, 1):
            found[f"{prefix}{number}"] = child
            visit(child, f"{prefix}{number}.")

    visit(root, "")
    return found


def check_options(n_judged: int | str | None, propose: str, level: float, confidence: float) -> None:
    """Raises `ValueError` for options of `update` that are impossible whatever the texts are."""
    if propose not in PROPOSE:
        raise ValueError(f"got propose={propose!r}, expected one of {', '.join(PROPOSE)}")
    if isinstance(n_judged, str) and n_judged != "auto":
        raise ValueError(f"got n_judged={n_judged!r}, expected a number, None or 'auto'")
    if isinstance(n_judged, int) and n_judged < 0:
        raise ValueError(f"got n_judged={n_judged}, expected at least 0")
    for name, value in (("level", level), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"got {name}={value}, expected between 0 and 1")


def _stamps(taxonomy: Taxonomy, new: Sequence[Any] | None, n_new: int) -> tuple[Any, ...] | None:
    """The times of all texts; those before, or the new ones, may have none."""
    if new is None and taxonomy.stamps is None:
        return None
    if new is not None and len(new) != n_new:
        raise CorpusError(f"got {len(new):,} time stamps for {n_new:,} new texts, expected one for each")
    before = taxonomy.stamps or (None,) * len(taxonomy.corpus)
    together = [*before, *((None,) * n_new if new is None else new)]
    return checked_stamps(together, len(together), unit=taxonomy.settings.get("time_unit"))


def _notes(taxonomy: Taxonomy, new: Corpus) -> list[str]:
    """What a user should know of the new texts."""
    notes, n_new, n_blank = [], len(new), int(new.blank.sum())
    there = set(taxonomy.corpus.distinct)
    n_there = sum(text in there for text in new.texts)
    if n_blank:
        notes.append(f"{n_blank:,} of {n_new:,} new texts are blank: they are under no node")
    if n_there == n_new - n_blank:
        notes.append(
            "all new texts are in the taxonomy already: nothing is new, and what changes is their mixture only"
        )
    elif n_there:
        notes.append(f"{n_there:,} of {n_new:,} new texts are in the taxonomy already: are the files the right ones?")
    if n_new < _FEW_TEXTS:
        notes.append(f"{n_new} new texts are few: intervals are wide, and only large changes can be told from chance")
    before, now = main_language(taxonomy.corpus.distinct), main_language(new.distinct)
    if before is not None and now is not None and not alike(before, now):
        notes.append(
            f"most new texts are in {language_name(now)}, those before in {language_name(before)}: the heads were "
            "trained on the latter, so have the new ones judged (n_judged, --n-judged), or grow a new taxonomy"
        )
    return notes
