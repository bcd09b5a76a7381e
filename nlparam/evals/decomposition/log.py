"""A log of repairs that were made: read, appended to, and put into words as examples for a language model."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nlparam.corpus.decoding import Source
from nlparam.corpus.readers import json_lines
from nlparam.errors import CorpusError, NlparamError
from nlparam.language.likeness import jaccard_to


class RepairRecord(BaseModel):
    """One line of a log: a decomposition, the part that was changed, and what that did.

    **Fields:** `predicate`, what was taken apart; `expression`, the decomposition before; `part`, the predicate of the
    part that was changed; `replacement`, what it became (an expression; `None`: it was left out); `before` and `after`,
    the agreement with labels, where it was measured; `note`, anything else, for people.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    predicate: str = Field(min_length=1)
    expression: str = Field(min_length=1)
    part: str = Field(min_length=1)
    replacement: str | None
    before: float | None = Field(default=None, ge=0, le=1)
    after: float | None = Field(default=None, ge=0, le=1)
    note: str = ""

    @property
    def helped(self) -> bool:
        """Whether the agreement rose, as far as it was measured."""
        return self.before is None or self.after is None or self.after > self.before


def read_repairs(path: str | Path) -> list[RepairRecord]:
    """The records of a log, one JSON object for each line. Raises `CorpusError` for any other line."""
    path = Path(path)
    if not path.exists():
        raise CorpusError(f"there is no log of repairs {path}: expected a file with one JSON object per line")
    records = []
    for number, row in json_lines(path, Source(path).text([])):
        try:
            records.append(RepairRecord.model_validate(row))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            raise CorpusError(
                f"{path}, line {number}: {where}: {first['msg']}; expected an object with predicate, expression, part "
                "and replacement"
            ) from None
    return records


def append_repair(path: str | Path, record: RepairRecord) -> None:
    """Adds a record to a log, which is made if it is not there. Raises `NlparamError` if that cannot be written."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record.model_dump(), ensure_ascii=False) + "\n")
    except OSError as error:
        raise NlparamError(f"the log of repairs {path} cannot be written ({error}): choose another") from error


def examples(records: Sequence[RepairRecord], predicate: str, *, n_examples: int = 3) -> list[str]:
    """The repairs that helped, of the predicates with the most words in common, each in a line of words."""
    helped = [record for record in records if record.helped]
    if not helped:
        return []
    likeness = jaccard_to(predicate, [record.predicate for record in helped])
    order = sorted(range(len(helped)), key=lambda number: -likeness[number])
    return [_in_words(helped[number]) for number in order[:n_examples]]


def _in_words(record: RepairRecord) -> str:
    did = "was left out" if record.replacement is None else f"was replaced by {record.replacement}"
    measured = ""
    if record.before is not None and record.after is not None:
        measured = f"; right for {record.before:.0%} before, {record.after:.0%} after"
    line = f"{record.predicate}: in {record.expression}, the part {json.dumps(record.part, ensure_ascii=False)} {did}"
    return " ".join(f"{line}{measured}.".split())
