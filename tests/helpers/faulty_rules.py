"""What the server of `tests.helpers.faulty_server` answers: the rules of several servers, and faults on request."""

import argparse
import asyncio
import json
import math
from collections import Counter
from pathlib import Path

from tests.helpers.fake_server import default_answer

_OTHERS = ("It", "The", "True", "I", "This", "Based", "Not", "In", "Answer", "A", "Well", "So", "Maybe", "Of")
_SPELLINGS = {"yes": ("Yes", "yes", " yes"), "no": ("No", "no", " no")}
_SHARES = (0.6, 0.3, 0.1)
_LABELLED = 0.96  # of the probability
VOCABULARY = {token: 100 + number for number, token in enumerate((*_SPELLINGS["yes"], *_SPELLINGS["no"], *_OTHERS))}
# The answers to a prompt that is too long, as the servers word them.
_TOO_LONG = {
    "vllm": {
        "error": {
            "message": "This model's maximum context length is 64 tokens. However, your prompt contains at least 65 "
            "input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the "
            "input prompt.",
            "type": "BadRequestError",
            "param": "input_tokens",
            "code": 400,
        }
    },
    "llama": {
        "error": {
            "code": 400,
            "message": "request (97 tokens) exceeds the available context size (64 tokens), try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 97,
            "n_ctx": 64,
        }
    },
}
# What servers of text-only models say to an image.
_NO_IMAGES = {
    "vllm": (400, "faulty-model is not a multimodal model"),
    "old": (400, "At most 0 image(s) may be provided in one request."),
    "llama": (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
    "openai": (400, "Invalid content type. image_url is only supported by certain models."),
}


def likely(body: dict) -> dict[str, float]:
    """The probabilities of the first tokens of an answer, which depend on the prompt only."""
    answer = default_answer({**body, "logprobs": True})
    assert isinstance(answer, dict)
    found = {
        spelling: _LABELLED * answer[label] * share
        for label, spellings in _SPELLINGS.items()
        for spelling, share in zip(spellings, _SHARES, strict=True)
    }
    return found | {token: (1 - _LABELLED) / len(_OTHERS) for token in _OTHERS}


class Faulty:
    """The server's state and its rules.

    `style` is what it is like: "vllm" honours `logprob_token_ids` and `structured_outputs`, "old" is a vLLM that
    ignores the first, "llama" is llama-server, "openai" refuses what OpenAI does not know and has no `/tokenize`.
    """

    def __init__(self, options: argparse.Namespace):
        self.model, self.style, self.delay = options.model, options.style, options.delay
        self.max_logprobs, self.max_words, self.thinks = options.max_logprobs, options.max_words, options.thinks
        self.healthy = True
        self.faults: list[tuple[str, int]] = [(kind, 1) for kind in options.faults]
        self.log: Path | None = options.log
        self.places = asyncio.Semaphore(options.capacity) if options.capacity else None
        self.queue = options.queue
        self.seen: Counter[str] = Counter()
        self.prompts: list[str] = []
        self.bodies: list[dict] = []
        self.at_once = self.most_at_once = 0

    async def complete(self, body: dict, writer: asyncio.StreamWriter) -> bool:
        """Answers a completion; whether the connection stays open."""
        prompt = body["messages"][-1]["content"]
        if isinstance(prompt, list):  # content parts
            prompt = prompt[-1]["text"]
        self._log("+", prompt)
        self.prompts.append(prompt)
        self.bodies.append(body)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.queue and self.at_once > self.queue:
                self.seen["turned away"] += 1
                return await reply(writer, 429, error_of("too many requests"))
            if self.places is None:
                await asyncio.sleep(self.delay)
            else:
                async with self.places:
                    await asyncio.sleep(self.delay)
            kind = self._next_fault()
            self.seen[kind or "answered"] += 1
            stays = await self._answer(kind, body, writer)
            if not kind:
                self._log("-", prompt)
            return stays
        finally:
            self.at_once -= 1

    async def _answer(self, kind: str, body: dict, writer: asyncio.StreamWriter) -> bool:
        name, _, detail = kind.partition(":")
        if name.isdigit():
            headers = {"Retry-After": detail} if detail else {}
            return await reply(writer, int(name), error_of(f"status {name} as told"), headers)
        match name:
            case "hang":
                await asyncio.sleep(3600)
            case "drop":
                return False
            case "html":
                return await reply(writer, 200, b"<html><body>Be right back</body></html>")
        refusal = self._refusal(body)
        if refusal is not None:
            return await reply(writer, *refusal)
        answer = self._completion(body, kind)
        data = json.dumps(answer).encode()
        match name:
            case "cut":
                await reply(writer, 200, data[: len(data) // 2], length=len(data))
                return False
            case "truncated":
                return await reply(writer, 200, data[: len(data) // 2])
        return await reply(writer, 200, data)

    def _refusal(self, body: dict) -> tuple[int, dict] | None:
        if any(isinstance(message["content"], list) for message in body["messages"]):
            status, said = _NO_IMAGES[self.style]
            return status, error_of(said)
        words = sum(len(message["content"].split()) for message in body["messages"])
        if words > self.max_words:
            return 400, _TOO_LONG["llama" if self.style == "llama" else "vllm"]
        if body["model"] != self.model and self.style != "llama":  # llama-server answers whatever it is asked for
            return 404, error_of(f"The model `{body['model']}` does not exist.")
        if self.style == "openai":
            for field in ("chat_template_kwargs", "logprob_token_ids", "structured_outputs"):
                if field in body:
                    return 400, error_of(f"Unrecognized request argument supplied: {field}")
        exact = self.style == "vllm" and body.get("logprob_token_ids")
        if not exact and body.get("top_logprobs", 0) > self.max_logprobs:
            return 400, error_of(
                f"Requested sample logprobs of {body['top_logprobs']}, which is greater than max allowed: "
                f"{self.max_logprobs}"
            )
        return None

    def _completion(self, body: dict, kind: str) -> dict:
        message: dict = {"role": "assistant", "content": self._text(body)}
        choice: dict = {"index": 0, "finish_reason": "length", "logprobs": None, "message": message}
        if body.get("logprobs") and kind != "empty":
            choice["logprobs"] = {"content": [self._first_token(body, kind)]}
            message["content"] = choice["logprobs"]["content"][0]["token"]
        if kind == "empty":
            message["content"] = ""
        if self.thinks == "parsed":  # as a server with a reasoning parser gives it
            message |= {"content": None, "reasoning_content": "Okay"}
        usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
        return {
            "id": "x", "object": "chat.completion", "created": 0, "model": self.model, "choices": [choice],
            "usage": usage,
        }  # fmt: skip

    def _text(self, body: dict) -> str:
        if self.style in ("vllm", "old") and "structured_outputs" in body:
            return body["structured_outputs"]["choice"][0]
        if self.style != "old" and "response_format" in body:
            schema = body["response_format"]["json_schema"]["schema"]
            return json.dumps({"answer": schema["properties"]["answer"]["enum"][0]})
        return "is about " + " ".join(body["messages"][-1]["content"].split()[:3])

    def _first_token(self, body: dict, kind: str) -> dict:
        probabilities = likely(body)
        if self.thinks:
            probabilities = {"<think>" if self.thinks == "aloud" else "Okay": 0.999, "Yes": 1e-6, "No": 1e-6}
        if kind == "missing":
            probabilities = {token: p for token, p in probabilities.items() if token.strip().lower() != "no"}
        ranked = sorted(probabilities, key=lambda token: -probabilities[token])
        listed = ranked[: body.get("top_logprobs", 0)]
        if self.style == "vllm" and body.get("logprob_token_ids"):
            chosen = [token for token in probabilities if VOCABULARY.get(token) in body["logprob_token_ids"]]
            if self.thinks:
                chosen = list(probabilities)
            listed = list(dict.fromkeys([ranked[0], *chosen]))
        entries = [
            {"token": token, "logprob": math.log(probabilities.get(token, 1e-9)), "bytes": None} for token in listed
        ]
        return {"token": ranked[0], "logprob": math.log(probabilities[ranked[0]]), "top_logprobs": entries}

    def tokenize(self, body: dict) -> tuple[int, dict]:
        if self.style == "openai":
            return 404, error_of("no such page")
        text = body["content"] if self.style == "llama" else body["prompt"]
        numbers = [VOCABULARY[text]] if text in VOCABULARY else [1, 2]
        return 200, {"tokens": numbers, "count": len(numbers), "max_model_len": 64}

    def models(self) -> dict:
        return {"object": "list", "data": [{"id": self.model, "object": "model", "max_model_len": 64}]}

    def _next_fault(self) -> str:
        if not self.faults:
            return ""
        kind, times = self.faults[0]
        if times > 1:
            self.faults[0] = (kind, times - 1)
        else:
            self.faults.pop(0)
        return "" if kind == "none" else kind

    def _log(self, sign: str, prompt: str) -> None:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{sign} {prompt.splitlines()[0]} | {prompt.splitlines()[-1]}\n")

    def state(self) -> dict:
        return {"seen": self.seen, "most_at_once": self.most_at_once, "prompts": self.prompts, "bodies": self.bodies}


async def reply(
    writer: asyncio.StreamWriter,
    status: int,
    content: dict | bytes,
    headers: dict[str, str] | None = None,
    length: int | None = None,
) -> bool:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {length or len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + data)
    await writer.drain()
    return True


def error_of(message: str) -> dict:
    return {"error": {"message": message, "type": "BadRequestError", "param": None, "code": 400}}
