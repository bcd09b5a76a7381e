"""The contract of a language model backend: one request in, one completion out."""

import abc
import contextlib
import dataclasses
import math
import re
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from nlparam.errors import LanguageModelError

STATE_DIM = 1024  # of logits evenly spread over the vocabulary, 256 say nearly as much


@dataclasses.dataclass(frozen=True)
class Image:
    """An image as a part of a message, by content, wherever the file is.

    `digest` is the SHA-256 of the file the bytes are made from, and how they are made. `detail` is how closely a server
    is to look, where it heeds that ("low", "high", "auto"). `read` gives the bytes when they are sent, not before; it
    raises `RequestError` if they cannot be had any more.
    """

    digest: str
    read: Callable[[], bytes] = dataclasses.field(compare=False, repr=False)
    media_type: str = "image/jpeg"
    detail: str = "auto"

    @property
    def key(self) -> str:
        """Its address in the store: all that can change an answer about it."""
        return f"image {self.digest} {self.media_type} {self.detail}"


@dataclasses.dataclass(frozen=True)
class Message:
    """One turn of a chat; `role` is "system", "user" or "assistant".

    `images` stand before the text, so that questions about one image begin alike.
    """

    role: str
    content: str
    images: tuple[Image, ...] = ()


@dataclasses.dataclass(frozen=True)
class Request:
    """One call of a language model.

    With `labels`, the backend generates a single token and returns the log-probability of each label as the next token
    (`Completion.label_logprobs`). With `state`, it generates nothing, and returns what it was about to say
    (`Completion.state`). Without either, it generates up to `max_tokens`. The fields are the key of the answer in the
    store, except two. Requests of one `group` begin with the same long text and are best sent to the same server.
    `with_state`: the text may come with its state, from a backend that has it anyway.
    """

    messages: tuple[Message, ...]
    labels: tuple[str, ...] | None = None
    max_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0
    group: str = dataclasses.field(default="", compare=False)
    state: bool = False
    with_state: bool = dataclasses.field(default=False, compare=False)

    @property
    def has_images(self) -> bool:
        """Whether some message has an image, which only a vision-language model can read."""
        return any(message.images for message in self.messages)


@dataclasses.dataclass(frozen=True)
class Completion:
    """What a language model answered.

    `label_logprobs[i]` is the log-probability of `Request.labels[i]`, `-inf` where the backend does not report it.
    `in_text`: it was read from the words of an answer, so that one label has all the probability. `state`,
    `(state_dim,)`, lies near that of another prompt if the next tokens are about as likely there.
    """

    text: str
    label_logprobs: tuple[float, ...] | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    in_text: bool = False
    state: np.ndarray | None = dataclasses.field(default=None, compare=False, repr=False)


class TransientError(Exception):
    """A failure that may pass (time-out, overload, 5xx): the engine tries again, within its bound.

    `retry_after` is the number of seconds the server asked to wait, if it said so.
    """

    def __init__(self, message: str, *, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class RequestError(LanguageModelError):
    """This one request cannot be answered (too long, refused, an empty answer), while others may be.

    The engine counts it as a failure and goes on; any other `LanguageModelError` concerns the backend as a whole.
    """


class NoImagesError(LanguageModelError):
    """The language model reads text only, and was to be shown an image."""


class AbstractLanguageModel(abc.ABC):
    """A backend. Subclasses implement `complete`; retries, concurrency, caching and counting are the engine's.

    `identity` names the model and its revision (a file's SHA-256, a server's model name); it is part of the key of
    everything stored. `max_in_flight` is how many `complete` calls may run at the same time. `strong` says whether the
    model can follow a long contrastive prompt, which decides the default proposer. `keeps_time`: `complete` limits the
    time of each call itself. `in_process`: the model runs in this process, and a batch ends early only when `steps` has
    stood still for minutes. `takes_images`: it sends images on; for other backends the engine refuses them.
    `answers_in_text`: it gives no log-probabilities, so that a label has all the probability or none. `states`: what
    states are made of, `None` if it gives none; those of two kinds are stored apart.
    """

    identity: str
    max_in_flight: int = 1
    strong: bool = True
    keeps_time: bool = False
    in_process: bool = False
    takes_images: bool = False
    answers_in_text: bool = False
    states: str | None = None

    @property
    def where(self) -> str:
        """Names the model, and where it runs, in messages. Unlike `identity`, it never asks the backend."""
        return "the language model"

    @property
    def steps(self) -> int | None:
        """How many steps a model in this process has computed so far; `None` where or while it cannot tell."""
        return None

    def slot(self, request: Request) -> contextlib.AbstractAsyncContextManager[None]:
        """A place among the calls under way, held during one `complete`; waiting for it counts towards no time limit.

        By default there is one for every caller. A backend that can be overloaded gives out fewer.
        """
        del request
        return contextlib.nullcontext()

    @abc.abstractmethod
    async def complete(self, request: Request) -> Completion:
        """Answers one request.

        Raises `TransientError` for a failure worth another try, `RequestError` if this request cannot be answered, and
        another `LanguageModelError` if none can (no server, an unknown model); its message says what to do.
        """

    async def aclose(self) -> None:  # noqa: B027 - optional hook
        """Frees what the backend holds (connections, memory)."""


def reads_no_images(where: str, said: str = "") -> NoImagesError:
    """The error for an image that a language model cannot be shown; `said` is how it refused one."""
    refused = f" (it answered {said})" if said else ""
    return NoImagesError(
        f"{where} reads text only, and was to be shown an image{refused}: use a server with a vision-language model "
        "(`vllm serve Qwen/Qwen2.5-VL-3B-Instruct`, `llama-server -m MODEL --mmproj PROJECTOR`), or give captions"
    )


def label_logprobs(labels: Sequence[str], top: Sequence[tuple[str, float]]) -> tuple[float, ...]:
    """Collects the log-probability of each label from the most likely next tokens.

    Tokens that differ from a label only in case and surrounding space count for it (`" Yes"`, `"yes"`), because
    tokenisers split the same answer in several ways; their probabilities are added up.
    """
    sums = dict.fromkeys(labels, 0.0)
    folded = {label.strip().casefold(): label for label in labels}
    for token, logprob in top:
        label = folded.get(token.strip().casefold())
        if label is not None:
            sums[label] += math.exp(logprob)
    return tuple(math.log(sums[label]) if sums[label] > 0 else -math.inf for label in labels)


def listed_states(n_tokens: int) -> str:
    """What the `states` of a backend are made of if they are a `listed_state` of so many tokens."""
    return f"{n_tokens} likeliest tokens"


def listed_state(top: Sequence[tuple[str, float]]) -> np.ndarray:
    """A state from the likeliest next tokens: by how much each is likelier than the least likely of them.

    Tokens share 1,024 places by their digests (feature hashing, Weinberger et al. 2009).
    """
    possible = [(token, logprob) for token, logprob in top if logprob > -math.inf]
    state, least = np.zeros(STATE_DIM, dtype=np.float32), min((logprob for _, logprob in possible), default=0.0)
    for token, logprob in possible:
        digest = zlib.crc32(token.encode("utf-8", "surrogatepass"))
        state[digest % STATE_DIM] += (logprob - least) * (1 if digest >> 31 else -1)
    return state


def spellings(label: str) -> list[str]:
    """The ways in which tokenisers write a label, those that `label_logprobs` counts for it."""
    cases = dict.fromkeys((label, label.lower(), label.capitalize(), label.upper()))
    return [space + case for case in cases for space in ("", " ")]


def single_tokens(labels: Sequence[str], tokens_of: Callable[[str], Sequence[int]]) -> dict[str, dict[str, int]]:
    """For each label its spellings that are one token, with the token's number; `tokens_of` gives those of a text."""
    found = {label: {form: tokens_of(form) for form in spellings(label)} for label in labels}
    return {label: {form: ids[0] for form, ids in of.items() if len(ids) == 1} for label, of in found.items()}


# What the chat templates of common models make of text: ChatML and Llama 3 (<|...|>), DeepSeek (the same with U+FF5C),
# Llama 2 and Mistral (<s>, [INST], <<SYS>>), Gemma (<start_of_turn>), Qwen (<think>, <tool_call>, <|fim_prefix|>).
_CONTROL_TOKEN = re.compile(
    r"""(
        <[|\uff5c](?=\S)
      | <(?=/?(?:s|bos|eos|pad|unk|mask|think|tool_call|tool_response|(?:start|end)_of_(?:turn|image)|fim_\w+)>)
      | <(?=</?SYS>>)
      | \[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS|CALL_ID|IMG|THINK)\])
    )""",
    re.VERBOSE,
)


def neutralise(text: str) -> str:
    """Breaks chat-template tokens, so that a text of the corpus cannot end its own turn or begin another.

    A space goes behind the opening mark: a reader sees the same, a tokeniser no longer does. The engine applies it to
    every message. Text without such tokens is unchanged.

    ```pycon
    >>> neutralise("</s> and <|im_end|> but not a <b>word</b>")
    '< /s> and <| im_end|> but not a <b>word</b>'

    ```
    """
    return _CONTROL_TOKEN.sub(r"\1 ", text)
