"""The SHA-256 of files, computed once as long as they do not change."""

import contextlib
import hashlib
import json
from pathlib import Path

from nlparam.runtime.cache_dir import cache_dir
from nlparam.runtime.files import replacing

SMALL_FILE = 2**20


def digest_of(path: str | Path) -> str:
    """The hexadecimal SHA-256 of a file; that of a large file is kept, and is valid while size and time stay the same.

    Raises `OSError` if the file cannot be read.
    """
    path = Path(path).resolve()
    note, stamp = _digest_note(path)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        kept = json.loads(note.read_text(encoding="utf-8"))
        sha256 = kept.pop("sha256", None)
        if isinstance(sha256, str) and kept == stamp:
            return sha256
    sha256 = compute_digest(path)
    # A file that was written to meanwhile has a digest that belongs to neither state.
    if stamp["size"] >= SMALL_FILE and _digest_note(path) == (note, stamp):
        keep_digest(path, sha256)
    return sha256


def compute_digest(path: Path) -> str:
    """The hexadecimal SHA-256 of what the file holds now."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_note(path: Path) -> tuple[Path, dict]:
    status = path.stat()
    name = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    stamp = {"path": str(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    return cache_dir() / "digests" / f"{name}.json", stamp


def keep_digest(path: Path, sha256: str) -> None:
    """Notes the digest of a file as it is now, for `digest_of`."""
    # Where the cache cannot be written the digest is computed each time; that is slow, not wrong.
    with contextlib.suppress(OSError):
        note, stamp = _digest_note(path.resolve())
        with replacing(note) as partial:
            partial.write_text(json.dumps(stamp | {"sha256": sha256}), encoding="utf-8")
