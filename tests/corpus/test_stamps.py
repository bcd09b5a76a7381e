"""Dates in the forms in which people write them."""

import datetime

import pytest

from nlparam.corpus.stamps import in_form
from nlparam.corpus.times import time_steps
from nlparam.errors import CorpusError

DAYS = [datetime.date(2023, 2, 13), datetime.date(2024, 11, 5)]
MOMENTS = [datetime.datetime(day.year, day.month, day.day, 21, 5, 7, tzinfo=datetime.UTC) for day in DAYS]


@pytest.mark.parametrize(
    "form",
    [
        "%m/%d/%Y",
        "%d/%m/%y",
        "%d.%m.%Y %H:%M",
        "%d-%b-%Y",
        "%Y/%m/%d %H:%M:%S",
        "%B %d, %Y",
        "%A, %d %B %Y",
        "%b %d, %Y at %I:%M %p",
        "%m/%d/%y, %I:%M\u202f%p",
        "%a, %d %b %Y %H:%M:%S +0000",
        "%a %b %d %H:%M:%S +0000 %Y",
        "%d/%b/%Y:%H:%M:%S +0000",
        "%Y-%m-%d %H:%M:%S UTC",
    ],
)
def test_usual_forms_are_recognised(form):
    assert time_steps([f"{moment:{form}}" for moment in MOMENTS]).times == ["2023-02-13", "2024-11-05"]


def test_quarters_and_months():
    assert time_steps(["2023-Q4", "Q1 2024"], unit="month").times == ["2023-10", "2024-01"]
    assert time_steps(["Mar 2023", "Jan 2024"], unit="month").times == ["2023-03", "2024-01"]


@pytest.mark.parametrize("scale", [1, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("kind", [float, lambda number: str(int(number))])
def test_epochs_are_dates(scale, kind):
    stamps = [kind(moment.timestamp() * scale) for moment in MOMENTS]
    assert time_steps(stamps).times == ["2023-02-13", "2024-11-05"]


def test_numbers_that_may_be_others_are_taken_as_they_are():
    assert time_steps([1999, 2004]).times == [1999, 2004]
    assert time_steps([1999, 2004], unit="year").times == [1999, 2004]
    assert time_steps([45_000, 45_400]).times == [45_000, 45_400]
    with pytest.raises(CorpusError, match=r"got numbers such as 45000 .* --time-format"):
        time_steps([45_000, 45_400], unit="month")


def test_day_or_month_first_is_asked_for():
    with pytest.raises(CorpusError, match="in two ways: say --time-format '%d/%m/%Y' or '%m/%d/%Y'"):
        time_steps(["01/02/2023", "03/04/2023"])
    # One stamp that can be read in one way only decides for all.
    assert time_steps(["01/02/2023", "25/04/2023"]).times == ["2023-02-01", "2023-04-25"]


@pytest.mark.parametrize(
    ("stamps", "form"),
    [
        (["13.2.2023", "5.11.2024"], "%d.%m.%Y"),
        (["44970", 45601], "excel"),
        ([1676246400, 1730764800], "seconds"),
        ([1676246400000, 1730764800000], "milliseconds"),
    ],
)
def test_a_form_that_is_given(stamps, form):
    assert in_form([*stamps, None], form) == [*DAYS, None]


@pytest.mark.parametrize(
    ("stamps", "form", "message"),
    [
        (["13.2.2023", "2023"], "%d.%m.%Y", "1 of 2 time stamps are not of --time-format .*'2023' .text 1"),
        (["today"], "seconds", "1 of 1 time stamps"),
        ([1e30], "seconds", "expected numbers of --time-format seconds"),
        (["1"], "epoch", "expected a form such as"),
    ],
)
def test_a_form_that_does_not_fit(stamps, form, message):
    with pytest.raises(CorpusError, match=message):
        in_form(stamps, form)
