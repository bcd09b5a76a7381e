"""Whether a language model counts as strong, by its size."""

import re

# In "Qwen2.5-1.5B-Instruct" and "gemma3:270m", not in "4bit".
_SIZE = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([BbMm])(?![A-Za-z0-9])")
# One of 1.5 billion parameters was measured, see `docs/how-to/language-models.md`; none near this bound was.
_FEWEST = 4e9


def is_strong(name: str, n_parameters: float | None = None) -> bool:
    """Whether a model follows a long contrastive prompt and its judgments can be believed: from 4 billion parameters.

    Where their number is not given, the greatest in its `name` counts; a model of unknown size is taken for strong.
    """
    named = (float(number) * (1e6 if unit in "Mm" else 1e9) for number, unit in _SIZE.findall(name))
    size = n_parameters or max(named, default=_FEWEST)
    return size >= _FEWEST
