"""How labels are read from a language model: kept in the store, so that it is found out once, and said once."""

import warnings
from typing import Any

from nlparam.errors import FitWarning
from nlparam.lm.base import AbstractLanguageModel, Completion, Message, Request
from nlparam.lm.store import Store, completion_key

_IN_TEXT = Completion("text")


class Reading:
    """Whether a language model answers yes or no in text, with the loss of precision that this is.

    **Arguments:** `lm`, the backend; `store`, where what is found out is kept.
    """

    def __init__(self, lm: AbstractLanguageModel, store: Store):
        self._lm, self._store = lm, store
        self._looked = self._said = False

    def recall(self) -> None:
        """Before the first judgment: what an earlier run has found out, and what is known of the service."""
        if self._looked:
            return
        self._looked = True
        if not self._lm.answers_in_text and self._store.get_completion(self._key) is not None:
            self._lm.answers_in_text = True
        self._say()

    def keep(self) -> None:
        """After the last judgment: what was found out."""
        if self._looked and not self._said and self._lm.answers_in_text:
            self._store.put_completion(self._key, _IN_TEXT, model=self._lm.identity)
            self._say()

    def as_setting(self) -> dict[str, Any]:
        """What the settings of a result say of it: nothing for log-probabilities."""
        return {"answers": "text"} if self._looked and self._lm.answers_in_text else {}

    @property
    def _key(self) -> str:
        identity = self._lm.identity  # asked first: from then on a server names the model, too
        # Another server may give log-probabilities of the same model.
        note = Message("system", f"how labels are read at {self._lm.where}")
        return completion_key(identity, Request((note,), max_tokens=1))

    def _say(self) -> None:
        if self._lm.answers_in_text and not self._said:
            self._said = True
            warnings.warn(
                f"{self._lm.where} gives no log-probabilities: a judgment is its yes or no in text, 1 or 0, without a "
                "probability between. A server that gives them (vLLM, llama-server, Ollama, many models of OpenAI) is "
                "more exact",
                FitWarning,
                stacklevel=4,
            )
