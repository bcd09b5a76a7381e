"""Accuracy and cost of the two prompt forms on gold predicates."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.commands import timed
from benchmarks.experiments.data import load
from nlparam.denotation.judge import FORMS
from nlparam.denotation.session import Session
from nlparam.lm import load_language_model
from nlparam.numerics.heads.head import bias


def measure(*, data: Path, n_texts: int = 60, n_words: int = 60, lm: str = "embedded", seed: int = 0) -> dict[str, Any]:
    """Judges random texts of each set for all its gold predicates, in both forms.

    **Returns:** `prompts`, one row for each set and form: the area under the ROC curve (mean over the predicates), the
    accuracy at even odds and with each predicate's bias removed, the share of texts whose likeliest predicate is
    theirs, prompt tokens and seconds of a judgment.
    """
    language_model = load_language_model(lm)
    rows = []
    for name in ("agnews", "bbc", "syngoalex_topic"):
        dataset = load(name, folder=data)
        assert dataset.reference is not None
        chosen = np.random.default_rng(seed).permutation(len(dataset.texts))[:n_texts]
        shown, gold = [dataset.texts[row] for row in chosen], dataset.reference[chosen]
        predicates = [predicate.rstrip(".") for predicate in dataset.reference_predicates]
        for form in FORMS:
            with Session(lm=language_model, store=":memory:") as session:
                judge = session.judge(n_words=n_words, form=form)
                said, seconds = timed(judge.judge_all, shown, predicates)
            row = {"set": name, "form": form, "lm": lm} | _scores(said, gold)
            row |= {"prompt_tokens": session.costs.prompt_tokens / gold.size, "seconds": seconds / gold.size}
            rows.append(row)
            print(json.dumps(row), flush=True)
    return {"prompts": rows}


def _scores(said: np.ndarray, gold: np.ndarray) -> dict[str, float]:
    from scipy.special import logit
    from sklearn.metrics import roc_auc_score

    said = np.where(np.isnan(said), 0.5, said)
    log_odds = logit(np.clip(said, 1e-6, 1 - 1e-6))
    thresholds = np.asarray([bias(column) for column in log_odds.T])
    return {
        "auc": float(np.mean([roc_auc_score(gold[:, k], said[:, k]) for k in range(gold.shape[1])])),
        "accuracy": float(np.mean((said > 0.5) == gold)),
        "accuracy_unbiased": float(np.mean((log_odds > thresholds) == gold)),
        "right_predicate": float(np.mean((log_odds - thresholds).argmax(axis=1) == gold.argmax(axis=1))),
    }
