"""Reading answers: completions and label reads, and what it means when something is missing in them."""

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from nlparam.errors import LanguageModelError
from nlparam.lm.base import Completion, Request, RequestError, TransientError, label_logprobs, listed_state
from nlparam.lm.server import messages_api
from nlparam.lm.server.dialect import Dialect
from nlparam.lm.server.errors import NoLogprobsError, NoRoomError, ThinksAloudError

Tokens = list[tuple[str, float]]
# How models open their thoughts: Qwen, DeepSeek and many others; Mistral; gpt-oss.
_THOUGHT = re.compile(r"\s*(?:<think|<thought|\[THINK\]|<\|channel\|>|<reasoning)", re.IGNORECASE)


class AnswerReader:
    """Reads the answers of one server, and remembers what it has been able to answer.

    **Arguments:** `where`, names the server and the model in messages; `api`, what it is to speak.
    """

    def __init__(self, where: Callable[[], str], *, api: str = "the OpenAI chat API"):
        self.answered = False
        self._api = api
        self._where = where
        self._reads_labels = False
        self._answers_as: str | None = None
        self._listed = 0  # the longest list of tokens so far

    def read(
        self, request: Request, body: bytes, dialect: Dialect, *, exact: bool = False
    ) -> tuple[Completion, Tokens]:
        """The completion in an answer, and for a label read, or a state, the tokens that were listed.

        `dialect` is what the request was written in; `exact` says that the tokens of the labels were asked for by
        number.

        Raises `TransientError` for an answer that is cut off or lacks what earlier ones had, `RequestError` for an
        empty one or where no state can be read, and `LanguageModelError` where no judgment can be read from this server
        at all.
        """
        answer = parsed(body)
        from_text = dialect.in_text or (request.labels is None and not request.state)
        try:
            answer = messages_api.as_chat(answer) if dialect.messages_api else answer
            choice = answer["choices"][0]
            message, usage = choice["message"], answer.get("usage") or {}
            read = None if from_text else top_tokens(choice)
            tokens = (int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))
            text = _joined(message.get("content") or "")
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            if self.answered or (answer is None and body.lstrip()[:1] == b"{"):
                said = body[:60].decode(errors="replace")
                raise TransientError(
                    f"{self._where()} gave an answer that is cut off or no completion: {said!r}"
                ) from None
            raise self.not_the_api(body) from None
        self._check_model(answer.get("model"))
        if from_text and request.state:
            raise RequestError(f"{self._where()} gives no log-probabilities, and so no states")
        if from_text:
            text = self._text(text, choice)
            self.answered = True
            labels = None if request.labels is None else label_in_text(request.labels, text)
            return Completion(text, labels, *tokens, in_text=labels is not None), []
        if read is None:
            raise self._no_logprobs(message)
        first, top = read
        if request.labels is None:
            if is_thought(first, {}, ()):
                raise self._thinks_aloud()
            self.answered = True
            return Completion(text, None, *tokens, state=listed_state(top)), top
        logprobs = label_logprobs(request.labels, top)
        if is_thought(first, message, logprobs):
            raise self._thinks_aloud()
        self._check_listing(request.labels, logprobs, top, exact)
        self.answered = self._reads_labels = True
        return Completion(text, logprobs, *tokens), top

    def _text(self, text: str, choice: dict) -> str:
        # A model that thinks although it was asked not to: what it says afterwards counts, unfinished thoughts do not.
        text = re.sub(r"\A\s*<think>.*?(</think>\s*|\Z)", "", text, flags=re.DOTALL)
        if not text.strip():
            kind = NoRoomError if choice.get("finish_reason") in ("length", "max_tokens") else RequestError
            raise kind(
                f"{self._where()} gave no text (it ended with {choice.get('finish_reason')!r}): does the model think "
                "aloud? Switch that off, or use an instruct model"
            )
        return text

    def _check_listing(self, labels: tuple[str, ...], logprobs: tuple[float, ...], top: Tokens, exact: bool) -> None:
        """A label that is not listed has probability 0, but not where the list is shorter than it should be."""
        listed, self._listed = self._listed, max(self._listed, len(top))
        if -math.inf not in logprobs:
            return
        tokens = {token.strip().casefold() for token, _ in top}
        left_out = [label for label in labels if label.strip().casefold() not in tokens]
        unlisted = 1.0 - sum(math.exp(logprob) for _, logprob in top)
        if left_out and (exact or (len(top) < listed and unlisted > 0.05 * mass(logprobs))):
            raise TransientError(f"{self._where()} left {', '.join(left_out)} out of the log-probabilities")

    def _check_model(self, answers_as: str | None) -> None:
        if answers_as is None:
            return
        if self._answers_as is None:
            self._answers_as = answers_as
        elif answers_as != self._answers_as:
            raise LanguageModelError(
                f"{self._where()} answered as the model {answers_as!r}, before as {self._answers_as!r}: judgments of "
                "two models do not mix; name one with URL#MODEL, or start a new run"
            )

    def _no_logprobs(self, message: dict) -> Exception:
        if self._reads_labels:
            return TransientError(f"{self._where()} left the log-probabilities out of an answer")
        if reasons(message):
            return self._thinks_aloud()
        return NoLogprobsError(f"{self._where()} reports no log-probabilities")

    def _thinks_aloud(self) -> LanguageModelError:
        kind = RequestError if self._reads_labels else ThinksAloudError
        return kind(
            f"{self._where()} thinks aloud before it answers, although asked not to, and judgments are read from its "
            "first token: switch thinking off (`vllm serve --default-chat-template-kwargs "
            "'{\"enable_thinking\": false}'`, `llama-server --reasoning-budget 0`), or serve an instruct model"
        )

    def not_the_api(self, body: bytes) -> LanguageModelError:
        said = body[:60].decode(errors="replace")
        return LanguageModelError(
            f"{self._where()} gave an answer that is not of {self._api} ({said!r}): check the address"
        )


def status_within(body: bytes) -> int:
    """The status that an answer with status 200 says it should have had; 200 for an ordinary one."""
    if not body.lstrip()[:12].replace(b" ", b"").startswith(b'{"error"'):
        return 200
    content = parsed(body)
    error = content.get("error") if isinstance(content, dict) and "choices" not in content else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 200


def parsed(body: bytes) -> Any:
    """The JSON in a body, `None` if it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def _joined(content: str | list) -> str:
    """The text of an answer, which may come in parts; raises as a wrong look-up does for anything else."""
    parts = [content] if isinstance(content, str) else [part["text"] for part in content if "text" in part]
    return "".join(parts)


def label_in_text(labels: tuple[str, ...], text: str) -> tuple[float, ...]:
    """The log-probability of each label: the one that a text begins with, or the only one among its words, has all."""
    words = re.findall(r"[^\W_]+", text.casefold())
    folded = {label.strip().casefold(): label for label in labels}
    named = {word for word in words if word in folded and len(word) > 1}
    said = words[0] if words and words[0] in folded else named.pop() if len(named) == 1 else None
    return label_logprobs(labels, [] if said is None else [(folded[said], 0.0)])


def is_thought(first: str, message: dict, logprobs: Sequence[float]) -> bool:
    """Whether an answer that begins with this token, with these log-probabilities of the labels, is a thought."""
    return _THOUGHT.match(first) is not None or (reasons(message) and mass(logprobs) < 0.01)


def reasons(message: dict) -> bool:
    """Whether the server took the answer for a thought. Some do so with any first token of a model that may think."""
    return bool(message.get("reasoning") or message.get("reasoning_content"))


def mass(logprobs: Sequence[float]) -> float:
    """The probability that the answer is one of the labels."""
    return sum(math.exp(value) for value in logprobs)


def top_tokens(choice: dict) -> tuple[str, list[tuple[str, float]]] | None:
    """The token a choice begins with and the tokens listed for its place; `None` without log-probabilities."""
    content = (choice.get("logprobs") or {}).get("content")
    first = content[0] if content else None
    if not first or not first["top_logprobs"]:
        return None
    top = []
    for entry in first["top_logprobs"]:
        # Null is what some servers make of minus infinity; the token that was said is possible.
        impossible = entry["logprob"] is None and entry["token"] != first["token"]
        top.append((str(entry["token"]), -math.inf if impossible else float(entry["logprob"])))
    return str(first["token"]), top
