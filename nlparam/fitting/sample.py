"""What the intervals of a fit rest on: which texts were drawn and judged, and what the head says of all."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow


@dataclasses.dataclass(frozen=True)
class Sample:
    """What the intervals of a fit rest on, one row for each text.

    **Attributes:**

    - `eligible`, `(n_texts,)`: the texts that figures are estimated on. These are the ones held out; all that have
      words where none are.
    - `inclusion`, `(n_texts,)`: with what probability a text was drawn into the round; 0 for those not eligible.
    - `drawn`, `(n_texts,)`: those that were, and were judged for every predicate.
    - `head`, `(n_texts, n_predicates)`: denotations by a head that has not seen the answer for the text.
    - `judged`, `(n_texts, n_predicates)`: what the judge said, its bias corrected; `nan` where it was not asked.
    - `clusters`, `(n_texts,)`: which texts belong together, or `None`.
    - `split`: whether the predicates were chosen on other texts.
    """

    eligible: np.ndarray
    inclusion: np.ndarray
    drawn: np.ndarray
    head: np.ndarray
    judged: np.ndarray
    clusters: np.ndarray | None
    split: bool

    def table(self) -> "pyarrow.Table":
        """All of it but `split`, one row for each text."""
        import pyarrow

        columns = {name: getattr(self, name) for name in ("eligible", "inclusion", "drawn")}
        columns |= {} if self.clusters is None else {"cluster": self.clusters}
        columns |= {f"head_{k}": column for k, column in enumerate(self.head.T)}
        columns |= {f"judged_{k}": column for k, column in enumerate(self.judged.T)}
        return pyarrow.table(columns)

    @classmethod
    def of_table(cls, table: "pyarrow.Table", *, split: bool) -> "Sample":
        """The sample that `table()` wrote."""

        def matrix(name: str) -> np.ndarray:
            names = [column for column in table.column_names if column.startswith(f"{name}_")]
            return np.stack([table[column].to_numpy() for column in names], axis=1)

        clusters = table["cluster"].to_numpy() if "cluster" in table.column_names else None
        flat = {name: table[name].to_numpy() for name in ("eligible", "inclusion", "drawn")}
        return cls(**flat, head=matrix("head"), judged=matrix("judged"), clusters=clusters, split=split)
