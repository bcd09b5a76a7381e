"""The cascade: which judgments to ask of the language model, and what an audit proves about the others.

A step machine without a language model. The driver calls `ask` for the next pairs of text and predicate, has them
judged and hands the answers to `tell`, until `ask` returns no more:

    training   pairs at random, then those where the head errs most, until asking more of them saves nothing; a head
               that was trained on other texts is only recalibrated, by pairs at random
    audit      the pairs that are to be asked anyway, and a random sample of the others
    remainder  what the audit shows must be asked after all

Why the certificate is valid is said in `docs/explanation/cascade.md`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from nlparam.numerics.heads.calibration import Calibration, fit_calibration
from nlparam.numerics.heads.certify import Audit, Outcome, Target, agreement, certify, errors_left, plan_audit
from nlparam.numerics.heads.head import bias, correct, log_odds_of
from nlparam.numerics.heads.joint_head import JointHead, fit_joint_head

Stage = Literal["training", "audit", "remainder", "done"]

_RANDOM_SHARE = 0.3  # of a training batch is drawn at random, which keeps the head's calibration honest
_MOST_RANDOM = 60
_MOST_RECALIBRATING = 0.1  # of the texts are judged to recalibrate a head that was trained on others
_UNSURE_WEIGHT = 0.1  # of a judgment asked because the head was unsure, in the calibration of the next head


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What was proved, and what it cost.

    With probability `1 - target.failure_probability` over the draw of the audit, recall and precision of the cascaded
    denotations, pooled over the predicates, are at least `recall` and `precision`; with the same probability, those of
    every predicate `k` at least `predicate_recall[k]` and `predicate_precision[k]`.

    **Attributes:** `n_pairs` of text and predicate, of which `n_asked` were asked of the language model, `n_training`
    to train or recalibrate the head and `n_audit` by the audit's random draw; `n_failed` answers were unusable;
    `n_head` pairs are the head's; `disagreement`, the estimated share of these where the language model would have
    answered otherwise; `together`, whether the bounds of the predicates hold all at once: in a certificate written
    before they did, each holds by itself.
    """

    target: Target
    recall: float
    precision: float
    predicate_recall: tuple[float, ...]
    predicate_precision: tuple[float, ...]
    n_pairs: int
    n_asked: int
    n_training: int
    n_audit: int
    n_failed: int
    n_head: int
    disagreement: float
    together: bool = False

    @property
    def worst_recall(self) -> int:
        """The predicate of the least bound of recall; its bound of precision decides between equals."""
        return min(
            range(len(self.predicate_recall)), key=lambda k: (self.predicate_recall[k], self.predicate_precision[k])
        )

    @property
    def worst_precision(self) -> int:
        """The predicate of the least bound of precision; its bound of recall decides between equals."""
        return min(
            range(len(self.predicate_recall)), key=lambda k: (self.predicate_precision[k], self.predicate_recall[k])
        )

    @property
    def saved(self) -> float:
        """The share of calls saved."""
        return 1 - self.n_asked / max(self.n_pairs, 1)


class CascadeSteps:
    """Decides what to ask; see the module's docstring.

    **Arguments:**

    - `features`, `predicates`: of all texts and all predicates, as in `fit_joint_head`.
    - `known`: `(n_texts, n_predicates)` answers that were asked before, `nan` elsewhere. They count as calls.
    - `thresholds`: in log-odds, where the "yes" of each predicate begins. By default, where `correct_bias`, they come
      from the training judgments (without a head, from all) and stay as they are from the audit on.
    - `head`: one trained on other texts for the same predicates; it is recalibrated and audited on these and not
      trained again.
    - `n_seed`: judgments per predicate, on texts drawn at random, before the first head.
    - `growth`, `least_batch`: a round of training asks for this share of what is known, and at least for so many.
    - `seed`: of the audit and of the head.

    **Attributes:** `stage`; `answers`, as the language model gave them; `head` and `audits`, once there is a head: one
    of all pairs, or one of each predicate where the target is that of each; `certificate`, once done.
    """

    def __init__(
        self,
        features: Float[np.ndarray, "n_texts n_features"],
        predicates: Float[np.ndarray, "n_predicates embed_dim"],
        target: Target | None = None,
        *,
        known: Float[np.ndarray, "n_texts n_predicates"] | None = None,
        thresholds: Float[np.ndarray, " n_predicates"] | None = None,
        head: JointHead | None = None,
        correct_bias: bool = True,
        n_seed: int = 30,
        growth: float = 0.4,
        least_batch: int = 64,
        seed: int,
    ):
        shape = (len(features), len(predicates))
        if known is not None and known.shape != shape:
            raise ValueError(f"known answers have shape {known.shape}, expected (n_texts, n_predicates) = {shape}")
        if n_seed < 2 or growth <= 0 or least_batch < 1:
            raise ValueError(f"got n_seed={n_seed}, growth={growth}, least_batch={least_batch}: too small to train")
        self.features, self.predicates = features, predicates
        self.target = Target() if target is None else target
        self.answers = np.full(shape, np.nan) if known is None else np.array(known, dtype=np.float64)
        self.asked = np.isfinite(self.answers)
        self.n_seed, self.growth, self.least_batch, self.seed = n_seed, growth, least_batch, seed
        self.correct_bias = correct_bias and thresholds is None
        self._thresholds = np.zeros(shape[1]) if thresholds is None else np.asarray(thresholds, dtype=np.float64)
        self.rng = np.random.default_rng(seed)
        self.stage: Stage = "training"
        self.head: JointHead | None = head
        self.certificate: Certificate | None = None
        self._probabilities = np.full(shape, np.nan)
        self._recalibration: Calibration | None = None
        columns = np.arange(shape[1])
        self._parts = list(columns[:, None]) if self.target.each else [columns]
        self.audits: tuple[Audit, ...] = ()
        self._outcomes: tuple[Outcome, ...] = ()
        self._n_training = 0
        # Judged whatever the head said of them; answers from before the cascade count as such.
        self._random = np.isfinite(self.answers)

    @property
    def thresholds(self) -> Float[np.ndarray, " n_predicates"]:
        """In log-odds, where the "yes" of each predicate begins."""
        return self._biases() if self.correct_bias and self.head is None else self._thresholds

    def ask(self) -> Int[np.ndarray, "n_pairs 2"]:
        """The next pairs to judge, each only once, ordered by text; none once the certificate is there."""
        while self.stage != "done":
            wanted = self._next()
            pairs = np.argwhere(wanted & ~self.asked)
            if len(pairs):
                return pairs
        return np.zeros((0, 2), dtype=np.int64)

    def tell(self, pairs: Int[np.ndarray, "n_pairs 2"], probabilities: Float[np.ndarray, " n_pairs"]) -> None:
        """Takes the language model's answers; `nan` where it gave none, which is not asked again."""
        rows, columns = np.asarray(pairs).T
        self.answers[rows, columns] = probabilities
        self.asked[rows, columns] = True

    def denotations(self) -> Float[np.ndarray, "n_texts n_predicates"]:
        """Denotations in [0, 1]: the language model's, its bias corrected, where it answered, else the head's.

        Raises `ValueError` before the head is trained.
        """
        answered = np.isfinite(self.answers)
        if np.isnan(self._probabilities).all() and not answered.all():
            raise ValueError(
                f"the cascade is at stage {self.stage!r} without a head: go on until `ask` returns nothing"
            )
        return np.where(answered, correct(self.answers, self.thresholds), self._probabilities)

    def _next(self) -> Bool[np.ndarray, "n_texts n_predicates"]:
        """Goes one step on and says which pairs it wants answered."""
        everything = np.ones_like(self.asked)
        if self.stage == "training" and self.head is not None and not self.audits:
            sample = self._seeds(self._n_recalibrating - np.isfinite(self.answers).sum(axis=0))
            if sample.any() and not self._n_training:
                self._n_training = int(sample.sum())
                return sample
            self._recalibrate(self.head)
            self._plan(self.head)
            return self._start_audit()
        if self.stage == "training":
            missing = self.n_seed - np.isfinite(self.answers).sum(axis=0)
            if 2 * self.n_seed >= len(self.features):  # what a head could save is less than what its training costs
                self.stage = "remainder"
                return everything
            seeded = self._seeds(missing)
            if seeded.any():
                return seeded
            if np.isfinite(self.answers).sum(axis=0).min() < 2:  # the language model does not answer
                self.stage = "remainder"
                return everything
            batch = self._train()
            if batch.any():
                return batch
            self._n_training = int(self.asked.sum())
            return self._start_audit()
        if self.stage == "audit":
            yes = self._of_parts(self._yes())
            self._outcomes = tuple(map(certify, self.audits, yes, [self._target] * len(yes)))
            self.stage = "remainder"
            return self._matrix(
                [audit.level <= outcome.level for audit, outcome in zip(self.audits, self._outcomes, strict=True)]
            )
        if not self.asked.all() and not self.audits:
            return everything
        self.stage = "done"
        self.certificate = self._certificate()
        return np.zeros_like(self.asked)

    @property
    def _target(self) -> Target:
        """Of each audit."""
        return self.target.shared(len(self._parts))

    @property
    def _n_recalibrating(self) -> int:
        """Random judgments per predicate by which a head of other texts is recalibrated: few texts afford few."""
        return min(self.n_seed, int(_MOST_RECALIBRATING * len(self.features)))

    def _of_parts(self, matrix: np.ndarray) -> list[np.ndarray]:
        """Flat arrays of the pairs of each audit."""
        return [matrix[:, columns].ravel() for columns in self._parts]

    def _matrix(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """`(n_texts, n_predicates)`, what `_of_parts` took apart."""
        return np.concatenate([part.reshape(len(self.features), -1) for part in parts], axis=1)

    def _yes(self) -> Int[np.ndarray, "n_texts n_predicates"]:
        """The language model's answers, its bias corrected: 1 yes, 0 no, -1 none."""
        return np.where(np.isfinite(self.answers), correct(self.answers, self.thresholds) > 0.5, -1)

    def _biases(self) -> Float[np.ndarray, " n_predicates"]:
        return np.asarray([bias(log_odds_of(column[np.isfinite(column)])) for column in self.answers.T])

    def _seeds(self, missing) -> Bool[np.ndarray, "n_texts n_predicates"]:
        # The same texts for all predicates: what a text says of one predicate teaches the head about the others.
        order = self.rng.permutation(len(self.features))
        wanted = np.zeros_like(self.asked)
        for column, number in enumerate(missing):
            left = order[~self.asked[order, column]]
            wanted[left[: max(number, 0)], column] = True
        self._random |= wanted
        return wanted

    def _train(self) -> Bool[np.ndarray, "n_texts n_predicates"]:
        """Trains the head and plans the audit; asks for another round of training if that pays, else for nothing."""
        answered = np.isfinite(self.answers)
        if self.correct_bias:
            self._thresholds = self._biases()
        pairs = np.argwhere(answered)
        fitted = fit_joint_head(
            self.features,
            self.predicates,
            pairs,
            self.answers[answered],
            thresholds=self.thresholds,
            typical=np.where(self._random[answered], 1.0, _UNSURE_WEIGHT),
            seed=self.seed,
        )
        self.head = fitted.head
        self._plan(fitted.head)
        batch = max(self.least_batch, int(self.growth * self.asked.sum()))
        certain = np.flatnonzero(self._matrix([audit.level == 0 for audit in self.audits]))
        wanted = np.zeros(self.asked.size, dtype=bool)
        if len(certain) > batch:
            # They are to be asked anyway: asked first, they teach the head. The most uncertain teach it most.
            n_random = min(_MOST_RANDOM, int(_RANDOM_SHARE * batch))
            said = self._probabilities.ravel()
            unsure = -np.minimum(said, 1 - said)[certain]
            wanted[certain[np.argsort(unsure, kind="stable")[: batch - n_random]]] = True
            left = np.flatnonzero(~self.asked.ravel() & ~wanted)
            drawn = self.rng.permutation(left)[:n_random]
            wanted[drawn] = True
            self._random.flat[drawn] = True
        return wanted.reshape(self.asked.shape)

    def _recalibrate(self, head: JointHead) -> None:
        """Corrects what a head of other texts says by the judgments of these: one too sure of itself costs calls."""
        judged = np.isfinite(self.answers)
        if judged.any():
            said = head.denote(self.features)[judged]
            self._recalibration = fit_calibration(said, (self._yes()[judged] == 1).astype(np.float64))

    def _plan(self, head: JointHead) -> None:
        """What the head says of all pairs, and the audits that this calls for, drawn."""
        said = head.denote(self.features)
        self._probabilities = said if self._recalibration is None else self._recalibration.apply(said)
        parts = map(self._of_parts, (self._probabilities, self._yes(), self.asked))
        self.audits = tuple(
            plan_audit(probabilities, yes, asked, self._target).draw(self.rng)
            for probabilities, yes, asked in zip(*parts, strict=True)
        )

    def _start_audit(self) -> Bool[np.ndarray, "n_texts n_predicates"]:
        self.stage = "audit"
        return self._matrix([audit.wanted for audit in self.audits])

    def _certificate(self) -> Certificate:
        answered, n_predicates = np.isfinite(self.answers), self.answers.shape[1]
        bounds = [(1.0, 1.0)] * n_predicates
        pooled, n_drawn, wrong = (1.0, 1.0), 0, 0.0
        if self._outcomes:
            yes = self._of_parts(self._yes())
            ended = list(zip(self.audits, self._outcomes, yes, strict=True))
            n_drawn = sum(int(audit.drawn.sum()) for audit in self.audits)
            wrong = sum(errors_left(audit, said, outcome.level) for audit, outcome, said in ended)
            proved = [(outcome.recall, outcome.precision) for outcome in self._outcomes]
            pooled = tuple(map(min, zip(*proved, strict=True)))
            if self.target.each:
                bounds = proved
            else:
                column = np.arange(self.asked.size) % n_predicates
                alpha = self.target.failure_probability / n_predicates
                ((audit, outcome, said),) = ended
                bounds = [agreement(audit, said, outcome, column == k, alpha) for k in range(n_predicates)]
        n_head = int((~self.asked).sum())
        return Certificate(
            target=self.target,
            recall=pooled[0],
            precision=pooled[1],
            predicate_recall=tuple(recall for recall, _ in bounds),
            predicate_precision=tuple(precision for _, precision in bounds),
            n_pairs=self.asked.size,
            n_asked=int(self.asked.sum()),
            n_training=self._n_training,
            n_audit=n_drawn,
            n_failed=int((self.asked & ~answered).sum()),
            n_head=n_head,
            disagreement=wrong / max(n_head, 1),
            together=True,
        )
