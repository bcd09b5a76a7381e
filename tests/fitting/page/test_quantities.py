"""The results of every model in the report and in notebooks: the right figures, on the right axes, with their bands."""

import dataclasses
import json
import re

import jax.numpy as jnp
import numpy as np
import pytest

from nlparam.fitting.page.quantities import MAX_BINS, goodness, view_quantities
from nlparam.models import Classification, TimeSeries, TimeSeriesWeights
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.quantities import Quantity
from nlparam.results.page.blocks import Table
from nlparam.results.page.plots import MAX_CURVE_POINTS, MAX_PANELS, quantity_chart
from nlparam.results.page.quantities import figure, stated
from nlparam.results.page.quantity_blocks import quantity_blocks
from tests.fitting.page.test_report import HOSTILE, Page, size_without_vega
from tests.helpers.handmade_fit import Plain, fit_of, make_fit

# Its fixtures take seconds.
pytestmark = pytest.mark.slow

KINDS = ["two classes", "three classes", "numbers", "groups", "dates", "ranks"]


@pytest.fixture(scope="module")
def fits():
    return {kind: fit_of(kind) for kind in KINDS}


def bands(fit, width=0.25):
    """Credible intervals of known ends."""
    values = {name: np.asarray(quantity.values) for name, quantity in fit.quantities().items()}
    return {name: (value, value - width, value + width) for name, value in values.items()}


def rows(chart):
    """The rows that a chart draws."""
    found = []

    def collect(part):
        if isinstance(part, dict):
            found.extend(part.get("data", {}).get("values", []) if isinstance(part.get("data"), dict) else [])
            for value in part.values():
                collect(value)
        elif isinstance(part, list):
            for value in part:
                collect(value)

    drawn = chart.to_dict()
    collect({key: value for key, value in drawn.items() if key != "datasets"})
    for values in drawn.get("datasets", {}).values():
        found.extend(values)
    return found


def table_of(view):
    """The figures of a quantity."""
    return next(block for block in quantity_blocks(view, "key") if isinstance(block, Table))


@pytest.mark.parametrize("kind", KINDS)
def test_every_quantity_stands_in_the_report_with_its_figures(fits, kind):
    fit = fits[kind]
    html = fit.report(posterior=bands(fit))
    page = Page(html)
    section = next(e for e in page.all("section") if e.attributes.get("aria-labelledby") == "results")
    titles = [e.text for e in page.all("h3") if section in e.parents]
    assert titles == [name.replace("_", " ").capitalize() for name in fit.quantities()]
    for view in view_quantities(fit, bands(fit)):
        assert view.cell(0, 0) in section.text
        assert "[" in view.cell(0, 0)
    assert len(page.all("caption")) == len(page.all("table"))
    headings = [e for e in page.all("th") if section in e.parents]
    assert {e.attributes["scope"] for e in headings} <= {"row", "col"}
    assert "#results" in [e.attributes.get("href") for e in page.all("a")]
    assert "with 90% credible intervals" in section.text
    assert "credible" not in fit.report()


@pytest.mark.parametrize("kind", ["two classes", "three classes", "numbers", "groups"])
def test_dots_are_at_their_values_and_lines_at_the_ends_of_the_intervals(fits, kind):
    fit = fits[kind]
    quantity = next(iter(fit.quantities().values()))
    chart = fit.plot(posterior=bands(fit))
    values = np.atleast_2d(np.asarray(quantity.values))
    drawn = rows(chart)
    assert len(drawn) == values.size
    for number, row in enumerate(drawn):
        value = values.ravel()[number]
        assert row["v"] == pytest.approx(value, rel=1e-4, abs=1e-4)
        assert (row["lo"], row["hi"]) == pytest.approx((value - 0.25, value + 0.25), rel=1e-3, abs=1e-3)
        assert row["i"] == f"{number % 3 + 1}. {fit.predicates[number % 3]}"
    if kind == "three classes":
        assert [row["p"] for row in drawn[::3]] == ["art", "money", "sport"]
    # The line at the value without effect.
    assert '"datum": 0.0' in json.dumps(chart.to_dict())
    assert "lo" not in rows(fit.plot())[0]


@pytest.mark.parametrize(("kind", "channel"), [("dates", "temporal"), ("ranks", "quantitative")])
def test_curves_run_over_time_with_the_texts_behind_them(fits, kind, channel):
    fit = fits[kind]
    chart = fit.plot(posterior=bands(fit))
    drawn = rows(chart)
    curve = [row for row in drawn if "v" in row and row["p"].startswith("1.")]
    prevalence = np.asarray(fit.quantities()["prevalence"].values)
    assert [row["v"] for row in curve] == pytest.approx(prevalence[:, 0].tolist(), rel=1e-4)
    assert [row["w"] for row in curve] == [str(time) for time in fit.coords["step"]]
    times = np.asarray([row["t"] for row in curve])
    if kind == "dates":
        expected = np.asarray(fit.coords["step"], dtype="datetime64[D]").astype(float) * 86_400_000
        np.testing.assert_array_equal(times, expected)
        # A month is the same month in every time zone.
        assert '"type": "utc"' in json.dumps(chart.to_dict())
    else:
        np.testing.assert_array_equal(times, fit.coords["step"])
    assert len(set(np.diff(times))) > 1  # time is not the number of the step
    assert f'"type": "{channel}"' in json.dumps(chart.to_dict())
    observed = [row for row in drawn if "r" in row and row["p"].startswith("1.")]
    steps = np.asarray(fit.data.step)
    for number, row in enumerate(observed):
        here = steps == number
        assert row["n"] == here.sum()
        assert row["r"] == pytest.approx(fit.denotations[here, 0].mean(), rel=1e-4)
    assert not [row for row in rows(fit.plot("log_odds")) if "r" in row]


def long_series(n_steps, n_predicates):
    rng = np.random.default_rng(0)
    data = np.concatenate([np.arange(n_steps), rng.integers(0, n_steps, n_steps)]).astype(float).tolist()
    denotations = (rng.random((2 * n_steps, n_predicates)) < 0.3).astype(np.float32)
    model = TimeSeries(n_predicates)
    weights_only = make_fit(2 * n_steps, n_predicates, model=Plain(n_predicates), denotations=denotations)
    prepared, coords = model.prepare(data, 2 * n_steps)
    # Fitted weights are not needed to see what is drawn, and take time.
    weights = TimeSeriesWeights(jnp.asarray(rng.normal(size=(n_steps, n_predicates)), jnp.float32))
    changes = {"model": model, "weights": weights, "data": prepared, "coords": coords}
    return dataclasses.replace(weights_only, **changes)


def test_long_series_of_many_predicates_stay_small_and_say_what_is_left_out():
    fit = long_series(1500, 30)
    (prevalence, _) = view_quantities(fit)
    assert prevalence.observed is not None
    assert prevalence.observed.sizes.sum() == 3000
    assert len(prevalence.observed.times) == MAX_BINS
    # Bins change nothing about the whole.
    mean = prevalence.observed.shares @ prevalence.observed.sizes / 3000
    np.testing.assert_allclose(mean, fit.denotations.mean(axis=0), rtol=1e-5)
    drawn = rows(quantity_chart(prevalence))
    assert len([row for row in drawn if "v" in row]) <= MAX_CURVE_POINTS
    assert len({row["p"] for row in drawn}) == MAX_PANELS
    html = fit.report()
    assert size_without_vega(html) < 3_000_000
    text = Page(html).all("main")[0].text
    assert f"Drawn are the first {MAX_PANELS} of 30" in text
    assert f"one of {MAX_BINS} spans of time" in text
    assert "120 of 1500 steps" in text


def test_the_table_of_a_curve_says_when_it_is_highest(fits):
    fit = fits["dates"]
    view = view_quantities(fit, bands(fit))[0]
    table = table_of(view)
    curve = np.asarray(fit.quantities()["prevalence"].values)[:, 0]
    row = [cell.text for cell in table.rows[0]]
    assert row[1:3] == [view.cell(0, 0), view.cell(0, len(curve) - 1)]
    assert row[1].startswith(f"{curve[0]:.1%} [")
    assert row[4] == f"{curve.max():.1%} ({fit.coords['step'][curve.argmax()]})"
    assert table.columns[1].name == f"First ({fit.coords['step'][0]})"


def test_a_curve_without_intervals_is_not_said_to_begin_or_end_anywhere(fits):
    blocks = quantity_blocks(view_quantities(fits["dates"])[0], "key")
    assert not [block for block in blocks if isinstance(block, Table)]


def test_the_direction_of_two_classes_is_said_in_their_names(fits):
    assert "Above 0 a predicate speaks for “spam”, below for “ham”." in fits["two classes"].report()
    assert "Log-odds of “old”" in fits["groups"].report()
    # The first predicate was made to speak for ham.
    assert fits["two classes"].quantities()["coefficient"].values[0] < -1


def test_how_well_the_model_predicts_is_measured_against_the_simplest_guess(fits):
    fit = fits["three classes"]
    measured = goodness(fit)
    assert measured is not None
    right, largest = np.mean(fit.predictions == fit.data), np.bincount(fit.data).max() / len(fit.data)
    assert [value for _, value in measured.rows] == [f"{right:.1%}", f"{largest:.1%}"]
    assert right > largest
    assert "On new texts, expect less" in fit.report()
    fit = fits["numbers"]
    measured = goodness(fit)
    assert measured is not None
    explained = np.corrcoef(fit.data.target, fit.predictions)[0, 1] ** 2
    assert float(measured.rows[0][1].strip("%")) == pytest.approx(100 * explained, abs=0.2)
    assert float(measured.rows[1][1]) == pytest.approx(np.std(fit.data.target - fit.predictions), rel=0.01)


def test_predictions_of_something_else_are_not_compared_with_the_data():
    assert goodness(make_fit()) is None
    assert goodness(fit_of("dates", n_texts=100)) is None
    data = np.linspace(100, 200, 60).astype(np.float32)
    assert goodness(make_fit(model=Plain(), data=data)) is None
    assert goodness(make_fit(model=Plain(), data=np.zeros(60, np.int32))) is None


def test_a_posterior_of_another_fit_is_refused(fits):
    fit = fits["numbers"]
    wrong = {"coefficient": tuple(np.zeros(5) for _ in range(3))}
    with pytest.raises(ValueError, match=r"the posterior of another fit"):
        fit.plot(posterior=wrong)
    with pytest.raises(ValueError, match=r"the posterior of another fit"):
        fit.report(posterior=wrong)


def test_plot_says_which_quantities_there_are(fits):
    with pytest.raises(ValueError, match=r"got the quantity 'slope', expected one of 'coefficient', 'intercept'"):
        fits["numbers"].plot("slope")
    with pytest.raises(ValueError, match=r"'intercept' cannot be drawn"):
        fits["numbers"].plot("intercept")
    assert rows(make_fit().plot())  # the shares of the clusters


class Odd(AbstractPredicateModel):
    """A model with quantities of every shape."""

    n_predicates: int = 3

    def loss(self, weights, denotations, data=None):
        del data
        return jnp.mean((denotations @ weights - 1) ** 2)

    def quantities(self, weights, denotations, data=None):
        del weights, denotations, data
        return {
            "cube": Quantity(jnp.zeros((2, 3, 4)), ("class", "predicate", "depth"), "A cube"),
            "trend": Quantity(jnp.arange(5.0), ("step",), "A curve of no predicate", None),
            "depth_effect": Quantity(jnp.arange(4.0), ("depth",), "By depth"),
            "table": Quantity(jnp.arange(12.0).reshape(3, 4), ("predicate", "depth"), "By predicate and depth"),
            "gone": Quantity(jnp.full(3, jnp.nan), ("predicate",), "Nothing finite"),
            "half": Quantity(jnp.asarray([1.0, jnp.inf, 2.0]), ("predicate",), "Partly finite"),
        }


def test_quantities_of_any_shape_leave_a_whole_page():
    fit = make_fit(model=Odd())
    page = Page(fit.report())
    text = page.all("main")[0].text
    assert "too many dimensions" in text
    assert not re.search(r"\b(nan|inf)\b", text)
    views = {view.name: view for view in view_quantities(fit)}
    assert views["table"].values.shape == (4, 3)
    assert views["table"].cell(1, 2) == "+9.0"
    assert views["depth_effect"].items == ["depth 0", "depth 1", "depth 2", "depth 3"]
    assert [row["v"] for row in rows(fit.plot("trend"))] == [0, 1, 2, 3, 4]
    assert len(rows(fit.plot("half"))) == 2
    with pytest.raises(ValueError, match="no finite"):
        fit.plot("gone")


def test_many_predicates_are_drawn_in_part_and_listed_in_full():
    fit = make_fit(200, 60, model=Plain(60))
    view = view_quantities(fit)[0]
    assert len(rows(quantity_chart(view))) == 40
    shown = {row["i"] for row in rows(quantity_chart(view))}
    strongest = np.abs(view.values[0]).argmax()
    assert view.items[strongest] in shown
    assert len(table_of(view).rows) == 60
    assert "Drawn are 40 of 60" in fit.report()


def test_hostile_names_of_classes_stay_text():
    labels = [HOSTILE[number % 3] for number in range(60)]
    html = make_fit(model=Classification(3, n_classes=3), data=labels, predicates=HOSTILE[3:6]).report()
    page = Page(html)
    plain = Page(fit_of("three classes").report())
    assert {element.tag for element in page.elements} <= {element.tag for element in plain.elements}
    assert not any(name.startswith("on") for element in page.elements for name in element.attributes)
    outside = "".join(e.text for e in page.all("script") if e.attributes.get("type") == "application/json")
    assert not set(outside) & set("<>&\x1b\x07")


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (0.123456, False, "0.123"),
        (12345.6, True, "+12,346"),
        (-0.5, True, "-0.5"),
        (1e-9, False, "1e-09"),
        (1e12, False, "1e+12"),
        (float("nan"), False, "–"),
    ],
)
def test_figures_have_three_digits(value, signed, text):
    assert figure(value, signed=signed) == text


def test_names_that_are_cut_alike_are_drawn_apart():
    labels = [f"{'a long name of a class ' * 8}{number % 3}" for number in range(60)]
    view = view_quantities(make_fit(model=Classification(3, n_classes=3), data=labels))[0]
    assert len(set(view.panels)) == 1
    drawn = rows(quantity_chart(view))
    assert len({row["p"] for row in drawn}) == 3
    for p in range(3):
        name = view.panels[p] if p == 0 else f"({p + 1}) {view.panels[p]}"
        np.testing.assert_allclose([row["v"] for row in drawn if row["p"] == name], view.values[p], rtol=1e-4)
    alike = dataclasses.replace(view, panels=["a", "b", "c"], items=["same", "same", "same"])
    assert {row["i"] for row in rows(quantity_chart(alike))} == {"same", "(2) same", "(3) same"}


@pytest.mark.parametrize(("share", "text"), [(0.95, "95%"), (0.999, "99.9%"), (0.29, "29%"), (1e-5, "0.001%")])
def test_what_was_chosen_is_not_rounded(share, text):
    assert stated(share) == text
