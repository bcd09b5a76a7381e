"""Records the judgments that the part `cascade` needs: `python -m benchmarks.judging.record [--lm native]`.

Texts are drawn at random and the sets grow side by side, so that what is recorded is a random sample of each set
whenever it is stopped. The same command again goes on where it stopped. A judgment is asked once: 60 words of a text,
one predicate at a time.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np

from benchmarks.commands import DATA, chosen, command
from benchmarks.judging.busy import PREDICATES as TOPICS
from benchmarks.judging.cascade import RECORDED, texts_of
from nlparam.denotation.session import Session

N_WORDS = 60
PREDICATES = {
    "agnews": ["is about sports", "is about business", "is about technology", "is about politics"],
    "bbc": list(TOPICS),
}


def record(
    only: Annotated[list[str] | None, ", ".join(PREDICATES)] = None,
    data: Path = DATA,
    lm: str = "native",
    store: Annotated[Path, "judgments already asked"] = Path("recordings.sqlite"),
    most: Annotated[int | None, "texts of each set; all by default"] = None,
    folder: Path = RECORDED,
    block: Annotated[int, "texts of a set in one turn"] = 50,
) -> dict[str, int]:
    """Records judgments for the cascade benchmark: how many texts of each set there are then."""
    import safetensors.numpy

    kept, waiting = {}, {}
    for name in chosen(only, PREDICATES):
        path, texts = folder / f"{name}.safetensors", texts_of(name, data)
        empty = {"rows": np.zeros(0, np.int32), "probabilities": np.zeros((0, len(PREDICATES[name])), np.float32)}
        kept[name] = safetensors.numpy.load_file(path) if path.exists() else empty
        order = np.random.default_rng(0).permutation(len(texts))[:most]
        waiting[name] = texts, order[~np.isin(order, kept[name]["rows"])]
    with Session(lm=lm, store=store) as session:
        judge = session.judge(n_words=N_WORDS)
        while any(len(left) for _, left in waiting.values()):
            for name, (texts, left) in waiting.items():
                now, waiting[name] = left[:block], (texts, left[block:])
                if not len(now):
                    continue
                said = judge.judge_all([texts[row] for row in now], PREDICATES[name])
                grown = {"rows": now.astype(np.int32), "probabilities": said.astype(np.float32)}
                both = {key: np.concatenate([kept[name][key], new]) for key, new in grown.items()}
                sort = np.argsort(both["rows"])
                kept[name] = {key: values[sort] for key, values in both.items()}
                metadata = {"predicates": json.dumps(PREDICATES[name]), "language_model": session.lm.identity}
                metadata["prompt"] = f"judge, {N_WORDS} words"
                safetensors.numpy.save_file(kept[name], folder / f"{name}.safetensors", metadata)
                counts = {"n_texts": len(both["rows"]), "left": len(waiting[name][1])}
                print(json.dumps({"set": name} | counts), flush=True)
    return {name: len(arrays["rows"]) for name, arrays in kept.items()}


if __name__ == "__main__":
    command(record)
