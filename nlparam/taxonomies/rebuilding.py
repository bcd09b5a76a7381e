"""Rebuilding a tree after an edit: what stays is carried over with its judgments, and the rest is divided again."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from nlparam.errors import BudgetError, LanguageModelError
from nlparam.numerics.heads.head import Head, Judged, fit_head
from nlparam.taxonomies.divided import Divided, Known, agreement
from nlparam.taxonomies.dividing import Divider
from nlparam.taxonomies.edit import Children, children_of
from nlparam.taxonomies.entries import Entry, either
from nlparam.taxonomies.records import HOLDS, STOPS, Candidate, judged
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.tree import Branch

# For an edit: below, the node has become another.
_MOSTLY_THE_SAME = 0.5
# A head of merged predicates is trained on texts that all of them were judged on, if there are so many.
_LEAST_JUDGED = 12


class Rebuilding:
    """Builds the branches of the edited tree of a taxonomy.

    **Arguments:** `forbidden`, predicates that may be nowhere; `pools`, candidates of the user's own, by the id of the
    node they are for; `mostly_the_same`, the share of a node's texts that must have been under it before for its
    division to stay as it is, where nobody edited that.

    `locked` gets, for each path, the predicates that are locked there, as they were judged; `warnings` what the user
    should know of them.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        divider: Divider,
        *,
        forbidden: Sequence[str] = (),
        pools: Mapping[str, Sequence[str]] | None = None,
        mostly_the_same: float = _MOSTLY_THE_SAME,
    ):
        self.taxonomy, self.divider, self.mostly_the_same = taxonomy, divider, mostly_the_same
        self.corpus = divider.run.corpus
        self.forbidden = {predicate.casefold() for predicate in forbidden}
        self.pools = pools or {}
        self.locked: dict[str, list[str]] = {}
        self.warnings: list[str] = []
        self.known = answers_of(taxonomy)

    def root(self, entry: Entry) -> Branch:
        """The whole tree, from the root of a plan."""
        return self._branch(entry, np.arange(len(self.corpus.distinct)), ())

    def rows_of(self, node: str) -> np.ndarray:
        """The distinct texts under a node of the tree before."""
        return np.unique(self.taxonomy.corpus.row[self.taxonomy.nodes[node].members])

    def _branch(self, entry: Entry, rows: np.ndarray, path: tuple[str, ...]) -> Branch:
        branch, ids, wanted = Branch(path, rows), entry.ids, children_of(entry, self.taxonomy)
        pool = [predicate for one in ids for predicate in self.pools.get(one, ())]
        solved = bool(wanted.solved or pool or wanted.n is None)
        if not wanted.there and wanted.n == 0 and not pool:
            self.end(branch, ids)
            return branch
        if not solved and len(ids) == 1:
            before = self.rows_of(ids[0])
            solved = len(np.intersect1d(before, rows)) < self.mostly_the_same * len(rows)
        if solved:
            branch.divided = self._solved(wanted, ids, rows, path, pool)
        else:
            branch.divided = self._regrouped(self.carried(ids[0], rows), wanted.there, rows, ids[0])
        self._children(branch, wanted.there)
        return branch

    def end(self, branch: Branch, ids: Sequence[str]) -> None:
        """A node without children: as it was, or as it is wanted; a new one is divided as deep as the others are."""
        nodes = [self.taxonomy.nodes[one] for one in ids]
        if nodes:
            had_children = any(node.children for node in nodes)
            stopped = STOPS.by_hand if had_children else next(node.stopped for node in nodes)
            branch.divided = Divided(considered=self._others((), ids, branch.rows), stopped=stopped)
        elif len(branch.path) >= int(self.taxonomy.settings["depth"]):
            branch.divided = Divided(stopped=STOPS.depth)
        elif len(branch.rows) < self.divider.options.least_texts:
            branch.divided = Divided(stopped=STOPS.few_texts)
        elif self.divider.run.meter.spent is not None:
            branch.divided = Divided(stopped=STOPS.budget_spent)
        else:
            divided = self.divider.divide(branch.rows, branch.path, excluded=self._barred())
            branch.divided = divided.largest_first(self.corpus.multiplicity[branch.rows])
            self._children(branch, ())

    def _children(self, branch: Branch, wanted: Sequence[Entry]) -> None:
        entries = {entry.predicate.casefold(): entry for entry in wanted}
        holds = branch.divided.denotations >= HOLDS
        for column, predicate in enumerate(branch.divided.judged_as):
            # One that the edited tree does not have is new.
            entry = entries.get(predicate.casefold(), Entry(predicate))
            if entry.locked:
                self.locked.setdefault(" > ".join(branch.path), []).append(predicate)
            path = (*branch.path, branch.divided.predicates[column])
            branch.children.append(self._branch(entry, branch.rows[holds[:, column]], path))

    def carried(self, node_id: str, rows: np.ndarray) -> Divided:
        """The division of a node as it was; texts that were not under it before are denoted by its head."""
        taxonomy, denoter = self.taxonomy, self.taxonomy.denoter
        node, before = taxonomy.nodes[node_id], self.rows_of(node_id)
        children, head = taxonomy.children(node_id), denoter.heads[node_id]
        directions = denoter.directions[node_id]
        # The first text that is equal to each distinct one.
        _, first = np.unique(taxonomy.corpus.row[node.members], return_index=True)
        there = np.isin(rows, before)
        denotations = np.zeros((len(rows), len(children)))
        denotations[there] = taxonomy.denotations(node_id)[first][np.searchsorted(before, rows[there])]
        if not there.all():
            denotations[~there] = head.denote(self.divider.features(rows[~there], directions))
        considered = [self._moved(candidate, rows) for candidate in node.candidates]
        if np.array_equal(before, rows):
            known = [one.denotations[first] if len(one.denotations) else one.denotations for one in node.candidates]
            considered = [
                dataclasses.replace(one, denotations=values) for one, values in zip(considered, known, strict=True)
            ]
        return Divided(
            predicates=[child.name for child in children],
            judged_as=[judged(child) for child in children],
            denotations=denotations,
            agreement=[child.agreement for child in children],
            considered=considered,
            divisions=list(node.divisions),
            directions=directions,
            head=head,
            partial=node.partial,
            costs=node.costs,
        )

    def _regrouped(self, carried: Divided, children: Sequence[Entry], rows: np.ndarray, node: str) -> Divided:
        """A division of which children were renamed, taken out or merged: nothing needs to be judged for that."""
        assert carried.head is not None
        before = [child.id for child in self.taxonomy.children(node)]
        groups = [[before.index(one) for one in child.ids] for child in children]
        if [group[:1] for group in groups] == [[k] for k in range(len(before))]:
            return dataclasses.replace(carried, predicates=[child.shown for child in children])
        heads, considered, agrees = [], list(carried.considered), []
        union = np.stack([carried.denotations[:, group].max(axis=1) for group in groups], axis=1)
        for number, (child, group) in enumerate(zip(children, groups, strict=True)):
            if len(group) == 1:
                heads.append(carried.head.take(group))
                agrees.append(carried.agreement[group[0]])
                continue
            answers = self._answers(child.predicates)
            position = {text: n for n, text in enumerate(self.corpus.distinct[row] for row in rows.tolist())}
            at = np.asarray(sorted(position[text] for text in answers if text in position), dtype=int)
            said = np.asarray([answers[self.corpus.distinct[row]] for row in rows[at].tolist()], np.float32)
            head, agreeing = self._head_of(rows, union[:, number], Judged(at, said), carried.directions)
            heads.append(head)
            agrees.append(agreeing)
            considered.append(Candidate(child.predicate, union[:, number].astype(np.float32), at, said))
        return dataclasses.replace(
            carried,
            predicates=[child.shown for child in children],
            judged_as=[child.predicate for child in children],
            denotations=union,
            agreement=agrees,
            considered=considered,
            head=Head.joined(heads),
        )

    def _head_of(self, rows, denotations: np.ndarray, answers: Judged, directions: np.ndarray) -> tuple[Head, float]:
        """A head of one predicate from its answers, that holds for as many texts as its denotations do."""
        features = self.divider.features(rows, directions)
        if len(answers.rows) < 2:
            raise LanguageModelError(
                "too few judgments are known of nodes that are to be merged: reword one of them to say both, which has "
                "it judged"
            )
        fitted = fit_head(features, [answers], correct_bias=self.divider.options.correct_bias)
        head = Head.joined([fitted.head])
        log_odds = (features @ head.coefficients + head.intercepts)[:, 0]
        n_holding = int((denotations >= HOLDS).sum())
        if 0 < n_holding < len(log_odds):
            shift = np.sort(log_odds)[::-1][n_holding - 1 : n_holding + 1].mean()
            head = head._replace(intercepts=head.intercepts - shift)
        return head, agreement(fitted)[0]

    def _solved(self, wanted: Children, ids, rows, path, pool: Sequence[str]) -> Divided:
        """A division whose open children and other candidates compete again, beside those that are locked."""
        locked = [child for child in wanted.there if child.stays]
        least, most = self.divider.children
        # Candidates for a node without children divide it.
        n_children = None if pool and not wanted.there else wanted.n
        limits = (max(least, len(locked)), max(most, len(locked)))
        if n_children is not None:
            # In the place of what is forbidden there is another only if the texts bear it out.
            limits = (max(len(locked), min(len(wanted.there), n_children), 1), n_children)
            if wanted.anew:
                limits = (n_children, n_children)
        divider = dataclasses.replace(self.divider, children=limits, n_slots=most)
        barred = self._barred(ids, wanted.excluded)
        fixed = [self._known(child.predicates) for child in locked]
        offered = [self._known(child.predicates) for child in wanted.there if not child.stays]
        offered += [Known(predicate, self.known.get(predicate.casefold(), {})) for predicate in pool]
        if not wanted.anew and (n_children is None or n_children > len(locked)):
            offered += self._candidates(ids, {one.casefold() for one in barred})
        if len(rows) < 2:
            raise LanguageModelError(
                f"{self._where(path)}, {len(rows)} texts are left, which cannot be divided: take out its children"
            )
        divided = None
        if not wanted.anew or pool:
            divided = divider.divide(rows, path, locked=fixed, excluded=barred, pool=offered)
        enough = limits[0] if n_children is None else n_children
        if divided is None or (len(divided.judged_as) < enough > len(locked) and not pool):
            # What is known is not enough: more is proposed, and competes with it.
            proposed = divider.divide(rows, path, locked=fixed, excluded=[*barred, *(one.predicate for one in offered)])
            offered += [self._considered(one, rows) for one in proposed.considered]
            divided = divider.divide(rows, path, locked=fixed, excluded=barred, pool=offered)
        if len(divided.judged_as) < len(wanted.there):
            # Nothing better was found: what is there stays.
            there = [self._known(child.predicates) for child in wanted.there]
            divided = divider.divide(rows, path, locked=there, excluded=barred, pool=())
        self._check_locked(divided, locked, path)
        names = {child.predicate.casefold(): child.shown for child in wanted.there}
        divided = dataclasses.replace(
            divided,
            predicates=[
                names.get(said.casefold(), shown)
                for said, shown in zip(divided.judged_as, divided.predicates, strict=True)
            ],
            considered=[*divided.considered, *self._others(divided.considered, ids, rows)],
        )
        return divided.largest_first(self.corpus.multiplicity[rows])

    def _check_locked(self, divided: Divided, locked: Sequence[Entry], path) -> None:
        """Raises if a locked predicate has too few answers to be denoted: it must not be lost.

        Warns of one that holds for no text.
        """
        there = {predicate.casefold() for predicate in divided.judged_as}
        answers = {one.predicate.casefold(): one.answers for one in divided.considered}
        for child in locked:
            said = answers.get(child.predicate.casefold(), np.zeros(0))
            if len(said) and said.max() < HOLDS:
                self.warnings.append(
                    f"{self._where(path)}, {child.predicate!r} is locked, and the language model says that it holds "
                    f"for none of the {len(said)} texts it was judged on"
                )
            if child.predicate.casefold() not in there:
                meter = self.divider.run.meter
                line = f" (line {child.line})" if child.line else ""
                if meter.spent is not None:
                    raise BudgetError(
                        f"the budget is spent ({meter.spent}) before {child.predicate!r}{line} was judged: allow more; "
                        "nothing was changed, and what was judged until now costs nothing again"
                    )
                raise LanguageModelError(
                    f"{self._where(path)}, {child.predicate!r}{line} has too few usable judgments to be a node: give "
                    "it a wording that the language model answers with yes or no; nothing was changed"
                )

    def _others(self, there: Sequence[Candidate], ids: Sequence[str], rows: np.ndarray) -> list[Candidate]:
        """What was considered before and is not any more: its judgments are kept."""
        seen = {one.predicate.casefold() for one in there}
        kept = []
        for candidate in (candidate for one in ids for candidate in self.taxonomy.nodes[one].candidates):
            if candidate.predicate.casefold() not in seen:
                seen.add(candidate.predicate.casefold())
                kept.append(self._moved(candidate, rows))
        return kept

    def _moved(self, candidate: Candidate, rows: np.ndarray) -> Candidate:
        """What is known of a candidate on some texts, but for its denotations."""
        at = self.taxonomy.corpus.row[candidate.judged]
        here = np.isin(at, rows)
        nothing = np.zeros(0, np.float32)
        positions = np.searchsorted(rows, at[here])
        return Candidate(candidate.predicate, nothing, positions, candidate.answers[here], same_as=candidate.same_as)

    def _candidates(self, ids: Sequence[str], barred: set[str]) -> list[Known]:
        """What was considered before for the children of a node, without what is barred or the same as that."""
        offered: dict[str, Known] = {}
        for node in (self.taxonomy.nodes[one] for one in ids):
            for candidate in node.candidates:
                said = candidate.predicate.casefold()
                alike = candidate.same_as is not None and candidate.same_as.casefold() in barred
                if said not in barred and not alike and len(candidate.judged):
                    offered.setdefault(said, Known(candidate.predicate, self.known[said]))
        return list(offered.values())

    def _barred(self, ids: Sequence[str] = (), excluded: Sequence[str] = ()) -> list[str]:
        """Predicates that may not be children of a node."""
        under = self.taxonomy.settings.get("excluded_under") or {}
        paths = [" > ".join(node.name for node in self.taxonomy.path(one)) for one in ids]
        return list(
            dict.fromkeys([*self.forbidden, *excluded, *(said for path in paths for said in under.get(path, ()))])
        )

    def _known(self, predicates: Sequence[str]) -> Known:
        if len(predicates) == 1:
            return Known(predicates[0], self.known.get(predicates[0].casefold(), {}))
        return Known(either(predicates), self._answers(predicates))

    def _answers(self, predicates: Sequence[str]) -> dict[str, float]:
        """Whether any of some predicates holds: the highest of the answers, for texts that all were judged on."""
        answers = [self.known.get(predicate.casefold(), {}) for predicate in predicates]
        common = set.intersection(*map(set, answers))
        if len(common) < _LEAST_JUDGED:
            # Where one of them holds, it does whatever the others do.
            common |= {text for one in answers for text, p in one.items() if p >= HOLDS}
        return {text: max(one.get(text, 0.0) for one in answers) for text in sorted(common)}

    def _considered(self, one: Candidate, rows: np.ndarray) -> Known:
        texts = (self.corpus.distinct[row] for row in rows[one.judged].tolist())
        return Known(one.predicate, dict(zip(texts, one.answers.tolist(), strict=True)))

    def _where(self, path: Sequence[str]) -> str:
        return f"under {path[-1]!r}" if path else "at the top"


def answers_of(taxonomy: Taxonomy) -> dict[str, dict[str, float]]:
    """Every answer there is, by predicate (whatever its case) and text: they do not depend on the node."""
    known: dict[str, dict[str, float]] = collections.defaultdict(dict)
    for candidate in (candidate for node in taxonomy.nodes.values() for candidate in node.candidates):
        texts = (taxonomy.corpus.texts[text] for text in candidate.judged.tolist())
        known[candidate.predicate.casefold()] |= dict(zip(texts, candidate.answers.tolist(), strict=True))
    return dict(known)
