"""Time stamps as they come in files, turned into the steps of a time series."""

import contextlib
import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nlparam.corpus.labels import as_number
from nlparam.corpus.stamps import as_written, epoch_dates
from nlparam.errors import CorpusError, check_one_of

UNITS = ("day", "week", "month", "year")
_CODES = {"day": "D", "week": "W", "month": "M", "year": "Y"}
_SHOWN = 5  # unparsable stamps that an error message shows


class TimeSteps(NamedTuple):
    """`step[i]` is the time step of text i; `gap[t]` the time between steps t and t + 1, in `unit`; `times[t]` is the
    time of step t, a number or an ISO date. Only steps that have texts exist; the time between them may differ.
    """

    step: np.ndarray
    gap: np.ndarray
    times: list[float] | list[str]
    unit: str


def time_steps(stamps: Sequence[Any], *, unit: str | None = None) -> TimeSteps:
    """Groups texts into time steps.

    **Arguments:** `stamps`, one per text: numbers (years, ranks), dates, or strings in ISO 8601 or another usual form;
    `unit`, "day", "week", "month" or "year", into which dates are grouped, by default days; weeks begin on Mondays.
    Numbers are taken as they are, unless all can only be seconds, milliseconds, ... since 1970, which are dates (UTC).

    **Raises:** `CorpusError` if stamps are missing, cannot be read, or in two ways, or are all the same; or if there is
    a `unit` for numbers that are no dates.
    """
    if unit is not None:
        check_one_of(UNITS, unit=unit)
    if len(stamps) == 0:
        raise CorpusError("got no time stamps, expected one per text")
    numbers: list[float | None] = [number if np.isfinite(number) else None for number in map(as_number, stamps)]
    if None not in numbers and (counted := epoch_dates(numbers)) is not None:  # pyright: ignore[reportArgumentType]
        stamps, numbers = counted, [None] * len(counted)
    if None not in numbers:
        if unit not in (None, "year") or (unit and not all(0 < number <= 9999 for number in numbers if number)):
            raise CorpusError(
                f"got numbers such as {stamps[0]!r} for times, expected dates to group by --time-unit {unit}: leave it "
                "out, or say with --time-format what they count (seconds, milliseconds, excel)"
            )
        unit = unit or "1"
        times, step = np.unique(np.asarray(numbers, dtype=np.float64), return_inverse=True)
        gap, listed = np.diff(times), times.tolist()
    else:
        unit = unit or "day"
        # NumPy's weeks begin on Thursdays, three days after ours.
        late = 3 if unit == "week" else 0
        days = np.asarray(_dates(stamps, numbers), dtype="datetime64[D]") + late
        times, step = np.unique(days.astype(f"datetime64[{_CODES[unit]}]"), return_inverse=True)
        gap = np.diff(times).astype(np.float64)
        listed = [str(time) for time in (times.astype("datetime64[D]") - late if late else times)]
    if len(listed) < 2:
        raise CorpusError(f"all {len(stamps)} time stamps are {listed[0]}, expected at least two different times")
    return TimeSteps(step.astype(np.int32), gap, listed, unit)


def grouped_steps(stamps: Sequence[Any], *, unit: str | None = None, most: int) -> TimeSteps:
    """Groups texts into at most `most` time steps, to count them at each.

    Dates are grouped into the finest unit that gives no more steps, if none is given. Where there are more steps even
    so, neighbours are put together: into equal spans of time, each named by the first time in it that has texts.

    **Raises:** as `time_steps`.
    """
    steps = time_steps(stamps, unit=unit)
    dates = isinstance(steps.times[0], str)
    for coarser in UNITS[1:] if dates and unit is None else ():
        if len(steps.times) <= most:
            break
        steps = time_steps(stamps, unit=coarser)
    if len(steps.times) <= most:
        return steps
    kind = f"datetime64[{_CODES[steps.unit]}]" if dates else np.float64
    at = np.asarray(steps.times, dtype=kind).astype(np.float64)
    spans = np.minimum(((at - at[0]) / (at[-1] - at[0]) * most).astype(int), most - 1)
    _, first, span = np.unique(spans, return_index=True, return_inverse=True)
    return TimeSteps(
        span[steps.step].astype(np.int32), np.diff(at[first]), [steps.times[i] for i in first.tolist()], steps.unit
    )


def _dates(stamps: Sequence[Any], numbers: Sequence[float | None]) -> Sequence[np.datetime64 | None]:
    dates: Sequence[np.datetime64 | None] = [_date(stamp) for stamp in stamps]
    if None in dates and (written := as_written(stamps)) is not None:
        dates = [None if date is None else np.datetime64(date) for date in written]
    # If more stamps are numbers than dates, numbers were meant.
    meant = numbers if numbers.count(None) < dates.count(None) else dates
    wrong = [f"{stamp!r} (text {i})" for i, stamp in enumerate(stamps) if meant[i] is None]
    if None in dates:
        raise CorpusError(
            f"{len(wrong)} of {len(stamps)} time stamps cannot be read: {', '.join(wrong[:_SHOWN])}; expected "
            "numbers or dates such as 2024-05-31 or 2024-05-31T12:00: say their form with --time-format, or leave "
            "texts without a time out with --drop-missing"
        )
    return dates


def _date(stamp: Any) -> np.datetime64 | None:
    if isinstance(stamp, datetime.date | np.datetime64) and stamp != stamp:  # NaT, of NumPy or pandas
        return None
    if isinstance(stamp, np.datetime64):
        return stamp.astype("datetime64[D]")
    if isinstance(stamp, datetime.date):
        # The local day, whatever the time zone, as for a string.
        return np.datetime64(stamp.date() if isinstance(stamp, datetime.datetime) else stamp)
    if isinstance(stamp, str):
        for rest in ("", "-01", "-01-01"):  # of a day, a month, a year
            with contextlib.suppress(ValueError):
                return np.datetime64(datetime.datetime.fromisoformat(stamp.strip() + rest).date())
    return None
