"""Other systems, the real packages: each runs in a process of its own, on the same texts with the same models.

`make peers` installs them into an environment of their own, as their requirements differ from those of nlparam;
`NLPARAM_PEERS` is the Python of another one. A script in `benchmarks/experiments/peers/` reads `job.json` and
`embeddings.npy` in a folder, and writes `result.json`.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmarks.experiments.arms.shared import clusters, embedded, options_with, partition, session
from benchmarks.experiments.base import AbstractArm, Dataset, Outcome, Problem, Task
from benchmarks.experiments.peers.server import serving
from nlparam.corpus.corpus import Corpus
from nlparam.errors import LanguageModelError
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

_ROOT = Path(__file__).resolve().parents[3]
_SCRIPTS = Path(__file__).resolve().parents[1] / "peers"
# How much of what a process that failed has written is shown.
_SHOWN = 1500


def peer_python() -> Path:
    """The Python that has the peers: `NLPARAM_PEERS`, what `make peers` has made, or else this one."""
    made = _ROOT / ".venv-peers" / "bin" / "python"
    return Path(os.environ.get("NLPARAM_PEERS") or (made if made.exists() else sys.executable))


class AbstractPeer(AbstractArm):
    """A system of somebody else's. `package` is what its script imports."""

    package: ClassVar[str]

    @property
    def script(self) -> Path:
        return _SCRIPTS / f"run_{self.package}.py"

    def unfit(self, dataset: Dataset) -> str | None:
        reason, python = super().unfit(dataset), peer_python()
        if reason is not None:
            return reason
        look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({self.package!r}) is None)"
        try:
            found = subprocess.run([python, "-c", look], capture_output=True).returncode == 0
        except OSError as error:
            return f"{python} cannot be run ({error}): set NLPARAM_PEERS to a Python, or unset it"
        advice = "run `make peers`, or set NLPARAM_PEERS to a Python that has it"
        return None if found else f"{python} has no package {self.package}: {advice}"

    def run(self, problem: Problem) -> Outcome:
        costs, given = Costs(), options_with(problem)
        max_judgments = given.get("max_judgments") if isinstance(given, dict) else given.max_judgments
        corpus = Corpus.from_texts(problem.dataset.texts)
        whole = Corpus.from_texts([*corpus.distinct, *problem.left_out])
        embeddings = embedded(problem, whole.distinct, costs)
        job = {
            "texts": list(whole.distinct),
            "n_fitted": len(corpus.distinct),
            "target": _target(problem, corpus),
            "goal": problem.dataset.goal,
            "k": problem.model.n_predicates,
            "seed": problem.seed,
            "max_calls": max_judgments,
            "options": dataclasses.asdict(self),  # pyright: ignore[reportArgumentType]
        }
        progress = problem.settings.get("progress") or Progress()
        with (
            session(problem, costs, progress=Progress(enabled=False)) as asking,
            progress.task(self.package, max_judgments, costs=costs) as task,
            costs.stage(self.package),
            serving(asking, max_calls=max_judgments, seed=problem.seed, task=task) as url,
        ):
            result = self._process(job, embeddings, url)
        predicates = result["predicates"]
        if not predicates:
            raise LanguageModelError(f"{self.package} found nothing in these texts: try a stronger language model")
        if result.get("assignments") is not None:
            return clusters(corpus.spread(np.asarray(result["assignments"]), fill=-1), predicates, costs)
        found = np.asarray(result["denotations"], dtype=np.float64)
        denotations = corpus.spread(found[: len(corpus.distinct)])
        data, _ = problem.model.prepare(problem.dataset.data, len(corpus))
        assignments = partition(problem.model, denotations, data, corpus.blank)
        left_out = found[whole.rows_of(problem.left_out)] if problem.left_out else None
        return Outcome(predicates, denotations, costs, assignments, left_out=left_out)

    def _process(self, job: dict[str, Any], embeddings: np.ndarray, url: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
            np.save(folder / "embeddings.npy", np.asarray(embeddings, dtype=np.float32), allow_pickle=False)
            keys = dict.fromkeys(("OPENAI_API_KEY", "OPENAI_KEY_SAE"), "none")
            environment = {**os.environ, "OPENAI_BASE_URL": url, "NO_PROXY": "127.0.0.1", **keys}
            command = [peer_python(), self.script, folder]
            done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise LanguageModelError(
                    f"{self.package} failed (exit status {done.returncode}): {done.stderr.strip()[-_SHOWN:]}"
                )
            return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def _target(problem: Problem, corpus: Corpus) -> list[int] | None:
    """The class or the time of every distinct text, in numbers; `None` for a clustering."""
    if problem.dataset.data is None:
        return None
    data, _ = problem.model.prepare(problem.dataset.data, len(corpus))
    step = getattr(data, "step", None)
    values = np.asarray(getattr(data, "second", data) if step is None else step)
    target = np.zeros(len(corpus.distinct), dtype=int)
    target[corpus.row[~corpus.blank]] = values[~corpus.blank]
    return target.tolist()


@dataclasses.dataclass(frozen=True)
class Bertopic(AbstractPeer):
    """BERTopic, with k-means in place of HDBSCAN to get K topics; the language model names each in one call."""

    package: ClassVar[str] = "bertopic"
    tasks: ClassVar[tuple[Task, ...]] = ("clustering",)


@dataclasses.dataclass(frozen=True)
class Hypothesaes(AbstractPeer):
    """HypotheSAEs (arXiv 2502.04382): neurons of a sparse autoencoder, put into words and annotated.

    Neurons are selected by the classes or times, for a clustering by how many texts they are active on. Where calls are
    limited, random texts are annotated, and elsewhere the neuron itself says whether its sentence holds.

    **Arguments:** `n_neurons`, `n_active`: neurons in all, and active per text.
    """

    package: ClassVar[str] = "hypothesaes"
    n_neurons: int = 64
    n_active: int = 4


@dataclasses.dataclass(frozen=True)
class Lloom(AbstractPeer):
    """LLooM (arXiv 2404.12259): concepts induced by the language model, seeded with the goal; it scores all texts.

    Where calls are limited, concepts are induced from random texts, and several texts are scored in one call.

    **Arguments:** `induced_share`, of the calls, for inducing concepts.
    """

    package: ClassVar[str] = "text_lloom"
    induced_share: float = 0.2
