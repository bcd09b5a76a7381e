"""Structured events of a run: for the `logging` of the standard library, and OpenTelemetry where it is installed.

Every stage of a fit (embedding, relaxation, proposing, judging, ...) ends with one event that has its seconds and what
it used; so do a budget that is spent, a server that is left out and a corpus that was audited. Nothing is written
unless somebody listens: a handler of the logger `nlparam.events`, `write_events`, or a tracer provider.
"""

import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from nlparam.errors import NlparamError

logger = logging.getLogger("nlparam.events")
logger.addHandler(logging.NullHandler())

_lock = threading.Lock()
_files: list[BinaryIO] = []  # of `write_events`


def emit(event: str, **fields: Any) -> None:
    """Sends one event; `fields` are numbers, strings and small containers of them."""
    if logger.isEnabledFor(logging.INFO):
        logger.info(event, extra={"fields": fields})
    with _lock:
        for file in _files:
            time = datetime.now().astimezone().isoformat(timespec="milliseconds")
            with contextlib.suppress(OSError):  # a full disk must not end a fit
                file.write(json.dumps({"time": time, "event": event} | fields, default=str).encode() + b"\n")


@contextlib.contextmanager
def span(name: str) -> Iterator[dict[str, Any]]:
    """Wraps a stage in an OpenTelemetry span, if `opentelemetry-api` is installed, and ends it with an event.

    What the body writes into the dictionary becomes the attributes of both. An exception is recorded and goes on.
    """
    try:
        from opentelemetry import trace

        opened = trace.get_tracer("nlparam").start_as_current_span(f"nlparam.{name}")
    except ImportError:
        opened = contextlib.nullcontext()
    fields: dict[str, Any] = {}
    with opened as current:
        try:
            yield fields
        except BaseException as error:
            emit("stage failed", stage=name, error=type(error).__name__, **fields)
            raise
        finally:
            if current is not None:
                current.set_attributes({f"nlparam.{key}": value for key, value in fields.items()})
    emit("stage", stage=name, **fields)


@contextlib.contextmanager
def write_events(path: str | Path | None) -> Iterator[None]:
    """Appends the events of the `with` block to a file, one JSON object a line; `None` writes nothing.

    Folders that are missing are made. Blocks of several threads that overlap each get the events of all.

    Raises `NlparamError` if the file cannot be written.
    """
    if path is None:
        yield
        return
    path = Path(path).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab", buffering=0)
    except OSError as error:
        reason = error.strerror or error
        raise NlparamError(f"events cannot be written to {path} ({reason}): give another file (--events)") from error
    with file:
        with _lock:
            _files.append(file)
        try:
            yield
        finally:
            with _lock:
                _files.remove(file)
