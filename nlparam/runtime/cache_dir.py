"""Where nlparam keeps what it can fetch or compute again."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """The folder of weights, embeddings and judgments: `NLPARAM_CACHE` if set, else the user's cache directory.

    The folder is not created here; whoever writes into it does that.
    """
    override = os.environ.get("NLPARAM_CACHE")
    if override:
        return Path(override).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("nlparam", appauthor=False))
