"""HypotheSAEs on a job: `python run_hypothesaes.py FOLDER`, in the environment of the peers."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from hypothesaes.annotate import annotate  # pyright: ignore[reportMissingImports]
from hypothesaes.quickstart import interpret_sae, train_sae  # pyright: ignore[reportMissingImports]
from hypothesaes.select_neurons import select_neurons  # pyright: ignore[reportMissingImports]

folder = Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
texts, n_fitted, k, options = job["texts"], job["n_fitted"], job["k"], job["options"]
embeddings = np.load(folder / "embeddings.npy")
torch.manual_seed(job["seed"])
autoencoder = train_sae(embeddings[:n_fitted], M=options["n_neurons"], K=options["n_active"], show_progress=False)
activations = np.asarray(autoencoder.get_activations(torch.tensor(embeddings)))
fitted, target = activations[:n_fitted], job["target"]


def selected() -> list[int]:
    """K neurons: the most active ones, or in turn those that tell each class from the others, or follow the time."""
    by_activity = np.argsort(-(fitted > 0).mean(axis=0), kind="stable").tolist()
    if target is None:
        return by_activity[:k]
    values = np.asarray(target)
    if len(np.unique(values)) > 20:
        rankings = [select_neurons(activations=fitted, target=values, n_select=k, method="correlation")[0]]
    else:
        rankings = [
            select_neurons(
                activations=fitted,
                target=(values == one).astype(int),
                n_select=k,
                method="separation_score",
                classification=True,
            )[0]
            for one in np.unique(values)
        ]
    in_turn = [int(neuron) for place in zip(*rankings, strict=False) for neuron in place]
    return list(dict.fromkeys([*in_turn, *by_activity]))[:k]


neurons = selected()
said = interpret_sae(
    texts=texts[:n_fitted],
    embeddings=embeddings[:n_fitted],
    sae=autoencoder,
    neuron_indices=neurons,
    interpreter_model="local",
    max_words_per_example=60,
    max_interpretation_tokens=60,
    print_examples_n=0,
    task_specific_instructions=f"The features should be about: {job['goal']}.",
)
predicates = [
    sentence or f"activates neuron {neuron}" for sentence, neuron in zip(said["interpretation"], neurons, strict=True)
]
denotations = (activations[:, neurons] > 0).astype(float)
n_left = len(texts) if job["max_calls"] is None else max(job["max_calls"] - len(neurons), 0) // len(neurons)
rows = np.random.default_rng(job["seed"]).permutation(len(texts))[:n_left]
pairs = [(texts[row], predicate) for row in rows for predicate in dict.fromkeys(predicates)]
annotations = annotate(
    pairs, model="local", n_workers=1, show_progress=False, max_words_per_example=256, max_output_tokens=4
)
for row in rows:
    for column, predicate in enumerate(predicates):
        # What could not be read stays as the neuron has it.
        denotations[row, column] = annotations.get(predicate, {}).get(texts[row], denotations[row, column])
result = {"predicates": predicates, "denotations": denotations.tolist()}
(folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
