"""Which of the models that a server lists is asked, and what it is called."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from nlparam.errors import LanguageModelError


class Served(NamedTuple):
    """A model of a server: its `name` there, its `identity`, and the tokens of its `context` if the server says."""

    name: str
    identity: str
    context: int | None


def choose(listed: Iterable[Any], model: str | None, *, where: str, how_to_start: str) -> Served:
    """The model that is asked for among those that a server lists at `/models`, or the only one.

    Raises `LanguageModelError` if it is not there, or none was asked for and there are several.
    """
    models = {entry["id"]: entry for entry in listed if isinstance(entry, dict) and "id" in entry}
    names = ", ".join(list(models)[:10]) + (", ..." if len(models) > 10 else "")
    if model is None and len(models) != 1:
        if not models:
            raise LanguageModelError(f"{where} serves no model; {how_to_start}")
        raise LanguageModelError(f"{where} serves several models ({names}): choose one with URL#MODEL")
    name = model or next(iter(models))
    if name not in models:
        raise LanguageModelError(
            f"{where} does not serve the model {name!r} but {names or 'none'}: choose one of these, or {how_to_start}"
        )
    extra = models[name]
    behind = [str(extra[field]) for field in ("root", "revision") if extra.get(field) and extra[field] != name]
    # vLLM, and llama-server under "meta".
    context = extra.get("max_model_len") or (extra.get("meta") or {}).get("n_ctx")
    return Served(name, "@".join([f"server:{name}", *behind]), context)
