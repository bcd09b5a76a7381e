"""Dates in the forms in which people and programs write them."""

import contextlib
import datetime
import email.utils
import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from nlparam.corpus.labels import as_number, is_missing
from nlparam.errors import CorpusError

_SHOWN = 3  # time stamps that an error message shows
_PROBED = 20  # stamps that decide which forms are tried on all
_DAY = 86_400.0
_EPOCH, _EXCEL = datetime.datetime(1970, 1, 1), datetime.datetime(1899, 12, 30)
# Forms of numbers: the seconds in one, and the day from which they count.
_COUNTED = {
    "seconds": (1.0, _EPOCH),
    "milliseconds": (1e-3, _EPOCH),
    "microseconds": (1e-6, _EPOCH),
    "nanoseconds": (1e-9, _EPOCH),
    "excel": (_DAY, _EXCEL),
}
# Seconds from 1985 to 2100; numbers a thousand times as large are milliseconds, and so on.
_EARLIEST, _LATEST = 473_385_600.0, 4_102_444_800.0

_DATES = [f"%{first}{mark}%{second}{mark}%{year}" for mark in "/-" for year in "Yy" for first, second in ("dm", "md")]
_DATES += ["%d.%m.%Y", "%d.%m.%y", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d", "%m/%Y", "%b %Y", "%B %Y"]
_DATES += ["%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%d-%b-%Y", "%d-%b-%y", "%d. %B %Y"]
_CLOCKS = ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S.%f", " %H:%M:%S %z"]
_FORMS = [date + clock for date, clock in itertools.product(_DATES, _CLOCKS)]
_FORMS += ["%b %d %H:%M:%S %z %Y", "%d/%b/%Y:%H:%M:%S %z"]  # of Twitter and of servers
_WEEKDAY = re.compile(r"^(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.? ", re.IGNORECASE)
_QUARTER = re.compile(r"(?:(\d{4})[ -]?Q([1-4])|Q([1-4])[ /-]?(\d{4}))", re.IGNORECASE)


def epoch_dates(numbers: Sequence[float]) -> list[datetime.date] | None:
    """The days (UTC) of numbers that count seconds, or parts of them, since 1970; `None` if they are others."""
    for form, (scale, start) in _COUNTED.items():
        if start is _EPOCH and all(_EARLIEST <= number * scale <= _LATEST for number in numbers):
            return _counted(numbers, form)
    return None


def in_form(stamps: Sequence[Any], time_format: str | None) -> list[Any]:
    """Time stamps as dates, by the form that was given; missing ones, and all of them without a form, as they are.

    **Arguments:** `time_format`, as `datetime.strptime` takes it (`%d/%m/%Y`), or `seconds`, `milliseconds`,
    `microseconds`, `nanoseconds` (since 1970) or `excel` (days of a spreadsheet).

    **Raises:** `CorpusError` if a stamp has another form.
    """
    if time_format is None:
        return list(stamps)
    if time_format in _COUNTED:
        numbers = [None if math.isnan(number) else number for number in map(as_number, stamps)]
        _refuse_others(stamps, numbers, time_format)
        given = [number for number in numbers if number is not None]
        dates = iter(_counted(given, time_format))
        return [None if number is None else next(dates) for number in numbers]
    if "%" not in time_format:
        raise CorpusError(
            f"got --time-format {time_format!r}, expected a form such as '%d/%m/%Y %H:%M', or one of "
            f"{', '.join(_COUNTED)}"
        )
    found = [None if is_missing(stamp) else _parsed(str(stamp).strip(), time_format) for stamp in stamps]
    _refuse_others(stamps, found, time_format)
    return found


def as_written(stamps: Sequence[Any]) -> list[datetime.date | None] | None:
    """Dates in one of the forms that people use, the same for all of them; `None` where a stamp has another.

    `None` in place of all if no form reads half of them. Raises `CorpusError` if they can be read with the day first
    and with the month first.
    """
    texts = [_tidy(stamp) if isinstance(stamp, str) else "" for stamp in stamps]
    distinct = [text for text in dict.fromkeys(texts) if text]
    read: dict[str, dict[str, datetime.date | None]] = {}
    ways: dict[str, Callable[[str], datetime.date | None]] = {"mail": _mail, "quarter": _quarter}
    for form in (*ways, *_FORMS):
        parse = ways.get(form) or (lambda text, form=form: _parsed(text, form))
        if any(map(parse, distinct[:_PROBED])):
            read[form] = {text: parse(text) for text in distinct}
    n_read = {form: sum(date is not None for date in dates.values()) for form, dates in read.items()}
    most = max(n_read.values(), default=0)
    if most == 0 or most < len(distinct) / 2:
        return None
    best = {form: dates for form, dates in read.items() if n_read[form] == most}
    (form, dates), *others = best.items()
    for other, differing in others:
        if differing != dates:
            shown = ", ".join(repr(text) for text in distinct[:_SHOWN])
            raise CorpusError(
                f"the time stamps ({shown}) can be read in two ways: say --time-format '{form}' or '{other}'"
            )
    return [dates.get(text) for text in texts]


def _tidy(stamp: str) -> str:
    text = " ".join(stamp.replace(",", " ").replace(" at ", " ").split())
    return re.sub(r" (?:UTC|GMT)$", "", _WEEKDAY.sub("", text))


def _parsed(text: str, form: str) -> datetime.date | None:
    with contextlib.suppress(ValueError):
        return datetime.datetime.strptime(text, form).date()
    return None


def _mail(text: str) -> datetime.date | None:
    """RFC 2822, as in the headers of mail."""
    if text.count(":") < 1 or "/" in text:
        return None
    with contextlib.suppress(ValueError, TypeError):
        return email.utils.parsedate_to_datetime(text).date()
    return None


def _quarter(text: str) -> datetime.date | None:
    """`2024-Q1`, `Q1 2024`: its first day."""
    match = _QUARTER.fullmatch(text)
    if match is None:
        return None
    year, quarter = int(match[1] or match[4]), int(match[2] or match[3])
    return datetime.date(year, 3 * quarter - 2, 1)


def _counted(numbers: Sequence[float], form: str) -> list[datetime.date]:
    scale, start = _COUNTED[form]
    try:
        return [(start + datetime.timedelta(seconds=number * scale)).date() for number in numbers]
    except (OverflowError, ValueError):
        raise CorpusError(
            f"got time stamps from {min(numbers):g} to {max(numbers):g}, expected numbers of --time-format {form}"
        ) from None


def _refuse_others(stamps: Sequence[Any], found: Sequence[Any], form: str) -> None:
    wrong = [f"{stamp!r} (text {i})" for i, stamp in enumerate(stamps) if found[i] is None and not is_missing(stamp)]
    if wrong:
        raise CorpusError(
            f"{len(wrong)} of {len(stamps)} time stamps are not of --time-format {form!r}: "
            f"{', '.join(wrong[:_SHOWN])}; choose another form, or leave it out"
        )
