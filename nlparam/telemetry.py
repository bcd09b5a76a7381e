"""Structured events of a run: for the `logging` of the standard library, and OpenTelemetry where it is installed.

Every stage of a fit (embedding, relaxation, proposing, judging, ...) ends with one event that has its seconds and what
it used; so do a budget that is spent, a server that is left out and a corpus that was audited. Nothing is written
unless somebody listens: a handler of the logger `nlparam.events`, `write_events`, or a tracer provider.
"""

import contextlib
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

logger = logging.getLogger("nlparam.events")
logger.addHandler(logging.NullHandler())


def emit(event: str, **fields: Any) -> None:
    """Sends one event; `fields` are numbers, strings and small containers of them."""
    if logger.isEnabledFor(logging.INFO):
        logger.info(event, extra={"fields": fields})


@contextlib.contextmanager
def span(name: str) -> Iterator[dict[str, Any]]:
    """Wraps a stage in an OpenTelemetry span, if `opentelemetry-api` is installed, and ends it with an event.

    What the body writes into the dictionary becomes the attributes of both. An exception is recorded and goes on.
    """
    fields: dict[str, Any] = {}
    with _trace(name) as current:
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
def _trace(name: str) -> Iterator[Any]:
    try:
        from opentelemetry import trace
    except ImportError:
        yield None
        return
    with trace.get_tracer("nlparam").start_as_current_span(f"nlparam.{name}") as current:
        yield current


class JsonLines(logging.Formatter):
    """One event as one line of JSON: `time`, `event`, and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        fields = getattr(record, "fields", {})
        return json.dumps({"time": time, "event": record.getMessage()} | fields, default=str)


@contextlib.contextmanager
def write_events(path: str | Path | None) -> Iterator[None]:
    """Appends the events of the `with` block to a file, one JSON object a line; `None` writes nothing."""
    if path is None:
        yield
        return
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(JsonLines())
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        handler.close()
