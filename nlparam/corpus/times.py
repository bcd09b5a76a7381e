"""Time stamps as they come in files, turned into the steps of a time series."""

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nlparam.errors import CorpusError

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

    **Arguments:** `stamps`, one per text: numbers (years, ranks, seconds), dates or ISO 8601 strings; `unit`, "day",
    "week", "month" or "year", into which dates are grouped, by default days; weeks begin on Mondays. Numbers are taken
    as they are.

    **Raises:** `CorpusError` if stamps are missing, cannot be read, or are all the same.
    """
    if unit is not None and unit not in UNITS:
        raise ValueError(f"got unit={unit!r}, expected one of {', '.join(UNITS)}")
    if len(stamps) == 0:
        raise CorpusError("got no time stamps, expected one per text")
    numbers = [_number(stamp) for stamp in stamps]
    if all(number is not None for number in numbers):
        values, unit = np.asarray(numbers, dtype=np.float64), "1" if unit is None else unit
        times, step = np.unique(values, return_inverse=True)
        gap, listed = np.diff(times), times.tolist()
    else:
        dates = [_date(stamp) for stamp in stamps]
        no_dates = [i for i, date in enumerate(dates) if date is None]
        no_numbers = [i for i, number in enumerate(numbers) if number is None]
        # Where more of the stamps are numbers than are dates, numbers were meant.
        places = no_numbers if len(no_numbers) < len(no_dates) else no_dates
        wrong = [f"{stamps[i]!r} (text {i})" for i in places] if no_dates else []
        if wrong:
            raise CorpusError(
                f"{len(wrong)} of {len(stamps)} time stamps cannot be read: {', '.join(wrong[:_SHOWN])}; expected "
                "numbers or dates such as 2024-05-31 or 2024-05-31T12:00"
            )
        unit = "day" if unit is None else unit
        days = np.asarray(dates, dtype="datetime64[D]")
        # NumPy's weeks begin on Thursdays, three days after ours.
        late = 3 if unit == "week" else 0
        times, step = np.unique((days + late).astype(f"datetime64[{_CODES[unit]}]"), return_inverse=True)
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


def _number(stamp: Any) -> float | None:
    if isinstance(stamp, bool) or stamp is None or isinstance(stamp, datetime.date):
        return None
    try:
        number = float(stamp)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _date(stamp: Any) -> np.datetime64 | None:
    if isinstance(stamp, datetime.date | np.datetime64) and stamp != stamp:  # NaT, of NumPy or pandas
        return None
    if isinstance(stamp, np.datetime64):
        return stamp.astype("datetime64[D]")
    if isinstance(stamp, datetime.date):
        # The day on the clock where it was written, as for a string, whatever its time zone.
        return np.datetime64(stamp.date() if isinstance(stamp, datetime.datetime) else stamp)
    if not isinstance(stamp, str):
        return None
    text = stamp.strip()
    for attempt in (text, f"{text}-01", f"{text}-01-01"):  # a month, a year
        try:
            return np.datetime64(datetime.datetime.fromisoformat(attempt).date())
        except ValueError:
            continue
    return None
