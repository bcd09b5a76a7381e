"""Time stamps: numbers, dates, gaps, and clear errors."""

import datetime

import numpy as np
import pytest

from nlparam.corpus.times import grouped_steps, time_steps
from nlparam.errors import CorpusError, FitWarning
from nlparam.taxonomies.over_time import checked_stamps


def test_numbers_are_ordered_and_keep_their_gaps():
    steps = time_steps([1990, 1790, "1800", 1790])
    assert steps.times == [1790.0, 1800.0, 1990.0]
    np.testing.assert_array_equal(steps.step, [2, 0, 1, 0])
    np.testing.assert_array_equal(steps.gap, [10, 190])


def test_dates_are_grouped_by_the_unit():
    stamps = ["2024-01-31", "2024-02-01T12:30", datetime.date(2024, 4, 2), np.datetime64("2024-02-29"), "2024-03"]
    steps = time_steps(stamps, unit="month")
    assert steps.times == ["2024-01", "2024-02", "2024-03", "2024-04"]
    np.testing.assert_array_equal(steps.step, [0, 1, 3, 1, 2])
    np.testing.assert_array_equal(steps.gap, [1, 1, 1])
    np.testing.assert_array_equal(time_steps(["2024-01-01", "2024-01-11"]).gap, [10])


def test_the_day_is_that_of_the_clock_where_it_was_written():
    zone = datetime.timezone(datetime.timedelta(hours=-5))
    stamps = [datetime.datetime(2024, 5, 31, 23, tzinfo=zone), "2024-05-30T01:00-05:00"]
    assert time_steps(stamps).times == ["2024-05-30", "2024-05-31"]


def test_stamps_of_pandas():
    pandas = pytest.importorskip("pandas")
    known = pandas.to_datetime(["2024-05-31T12:00", "2024-05-30T23:00"])
    for stamps in (list(known), known.to_numpy(), list(known.tz_localize("Asia/Tokyo"))):
        assert time_steps(stamps).times == ["2024-05-30", "2024-05-31"]
    column = list(pandas.to_datetime(["2024-05-31", None, "2024-05-30"]))
    with pytest.raises(CorpusError, match=r"1 of 3 time stamps cannot be read: NaT \(text 1\)"):
        time_steps(column)
    for missing in (pandas.NaT, pandas.NA):
        with pytest.warns(FitWarning, match="1 of 3 texts has no time"):
            assert checked_stamps([column[0], missing, column[2]], 3)[1] is None


def test_weeks_begin_on_mondays():
    steps = time_steps(["2024-01-07", "2024-01-08", "2024-01-14", "1969-12-28", "2024-01-22"], unit="week")
    assert steps.times == ["1969-12-22", "2024-01-01", "2024-01-08", "2024-01-22"]
    np.testing.assert_array_equal(steps.gap[1:], [1, 2])


def test_steps_are_grouped_until_they_are_few():
    days = [f"2024-{month:02d}-{day:02d}" for month in (1, 2, 3) for day in range(1, 29)]
    assert grouped_steps(days, most=100).unit == "day"
    assert grouped_steps(days, most=40).unit == "week"
    assert grouped_steps(days, most=3).times == ["2024-01", "2024-02", "2024-03"]
    spans = grouped_steps(days, unit="month", most=2)
    assert spans.times == ["2024-01", "2024-02"]
    np.testing.assert_array_equal(np.bincount(spans.step), [28, 56])
    numbers = grouped_steps([0, 1, 2, 3, 100, 7], most=5)
    assert numbers.times == [0.0, 100.0]
    np.testing.assert_array_equal(numbers.step, [0, 0, 0, 0, 1, 0])


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        ([], "no time stamps"),
        ([3, 3, 3], "all 3 time stamps are 3"),
        (["2024-01-01", "soon", None], r"2 of 3 time stamps cannot be read: 'soon' \(text 1\), None \(text 2\)"),
        ([1.0, float("nan")], "cannot be read"),
    ],
)
def test_what_cannot_be_a_time_series_is_refused(stamps, message):
    with pytest.raises(CorpusError, match=message):
        time_steps(stamps)


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="fortnight"):
        time_steps(["2024-01-01"], unit="fortnight")
