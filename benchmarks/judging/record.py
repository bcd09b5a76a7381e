"""Records the judgments that the part `cascade` needs: `python -m benchmarks.judging.record [--lm native]`.

Texts are drawn at random and the sets grow side by side, so that what is recorded is a random sample of each set
whenever it is stopped. The same command again goes on where it stopped. A judgment is asked once: 60 words of a text,
one predicate at a time.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks.commands import DATA
from benchmarks.judging.cascade import RECORDED, texts_of
from benchmarks.judging.embedded import PREDICATES as TOPICS
from nlparam.denotation.session import Session

N_WORDS = 60
PREDICATES = {
    "agnews": ["is about sports", "is about business", "is about technology", "is about politics"],
    "bbc": list(TOPICS),
}


def record(
    names: list[str],
    *,
    data: Path,
    lm: str,
    store: Path,
    most: int | None = None,
    folder: Path = RECORDED,
    block: int = 50,
) -> None:
    """Judges `block` more texts of each set in turn until `most` of each are recorded (all, if it is None)."""
    import safetensors.numpy

    with Session(lm=lm, store=store) as session:
        judge = session.judge(n_words=N_WORDS)
        rows, probabilities, waiting = {}, {}, {}
        for name in names:
            texts, predicates, path = texts_of(name, data), PREDICATES[name], folder / f"{name}.safetensors"
            kept = safetensors.numpy.load_file(path) if path.exists() else {}
            rows[name] = kept.get("rows", np.zeros(0, dtype=np.int32))
            probabilities[name] = kept.get("probabilities", np.zeros((0, len(predicates)), dtype=np.float32))
            order = np.random.default_rng(0).permutation(len(texts))[:most]
            waiting[name] = [texts, order[~np.isin(order, rows[name])]]
        while any(len(left) for _, left in waiting.values()):
            for name in names:
                texts, left = waiting[name]
                now, waiting[name][1] = left[:block], left[block:]
                if not len(now):
                    continue
                pairs = np.argwhere(np.ones((len(now), len(PREDICATES[name])), dtype=bool))
                said = judge.judge([texts[row] for row in now], PREDICATES[name], pairs)
                rows[name] = np.concatenate([rows[name], now.astype(np.int32)])
                grown = [probabilities[name], said.reshape(len(now), -1).astype(np.float32)]
                probabilities[name] = np.concatenate(grown)
                sort = np.argsort(rows[name])
                arrays = {"rows": rows[name][sort], "probabilities": probabilities[name][sort]}
                metadata = {
                    "predicates": json.dumps(PREDICATES[name]),
                    "language_model": session.lm.identity,
                    "prompt": f"judge, {N_WORDS} words",
                }
                safetensors.numpy.save_file(arrays, folder / f"{name}.safetensors", metadata)
                print(json.dumps({"set": name, "n_texts": len(rows[name]), "left": len(waiting[name][1])}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Records judgments for the cascade benchmark")
    parser.add_argument("names", nargs="*", default=list(PREDICATES))
    parser.add_argument("--lm", default="native")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--store", type=Path, default=Path("recordings.sqlite"), help="judgments already asked")
    parser.add_argument("--most", type=int, help="texts of each set; all by default")
    chosen = parser.parse_args()
    record(chosen.names, data=chosen.data, lm=chosen.lm, store=chosen.store, most=chosen.most)
