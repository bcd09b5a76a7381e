"""Folders of fits: what earlier versions wrote means what it meant."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

import nlparam
from nlparam.errors import ResultFolderError
from nlparam.fitting.posterior import kept_posterior, posterior_digest
from nlparam.fitting.result import Fit
from nlparam.models import Regression
from nlparam.numerics.core.compiled import fitted as fitted_by
from nlparam.numerics.core.compiled import predictions
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics

# Its fixture takes seconds.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fitted():
    texts, labels = topics(60, 2)
    oracle, numbers = Oracle(texts, labels), np.unique(labels, return_inverse=True)[1] + np.linspace(0, 1, 60)
    return nlparam.fit(
        Regression(2, ridge=0.6),
        texts,
        numbers,
        lm=oracle.model(),
        predicates=oracle.predicates,
        embedder=LexicalEmbedder(texts),
        store=":memory:",
        held_out=0.0,
        options={"n_rounds": 0, "n_restarts": 1},
    )


def written_before(fit, folder, ridge):
    """What format 1 had of the same fit: the price of large weights for each text, and the numbers alone."""
    fit.save(folder)
    contents = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    contents |= {"format": 1, "data": {"array": "data"}, "fields": contents["fields"] | {"ridge": ridge}}
    (folder / "fit.json").write_text(json.dumps(contents), encoding="utf-8")
    save_file({"data": np.asarray(fit.data.target)}, folder / "data.safetensors")
    return contents


def test_the_ridge_of_each_text_becomes_the_prior_that_it_was(fitted, tmp_path):
    written_before(fitted, tmp_path / "fit", ridge=0.01)
    loaded = nlparam.load(tmp_path / "fit", embedder=fitted.denoter.embedder)
    assert loaded.model.ridge == pytest.approx(0.6)
    assert loaded.asked_model.ridge == pytest.approx(0.6)
    columns = jnp.asarray(loaded.denotations)
    np.testing.assert_array_equal(predictions(loaded.model, loaded.weights, columns), fitted.predictions)
    again = fitted_by(loaded.model, columns, loaded.data)
    np.testing.assert_allclose(again.loss, fitted.loss, rtol=1e-5)
    np.testing.assert_allclose(loaded.weights.coefficients, fitted.weights.coefficients)
    np.testing.assert_allclose(again.weights.coefficients, fitted.weights.coefficients, rtol=1e-4)


def test_a_fit_of_before_is_not_the_fit_of_today(fitted, tmp_path):
    folder = tmp_path / "fit"
    written_before(fitted, folder, ridge=0.6)  # the same number, and another meaning
    with pytest.raises(ResultFolderError, match=r"holds another fit .*it differs in fields"):
        fitted.save(folder)
    fitted.save(folder, overwrite=True)
    fitted.save(folder)
    assert Fit.read(folder)["format"] == 2


def test_samples_of_before_are_still_those_of_the_fit(fitted, tmp_path):
    contents = written_before(fitted, tmp_path / "fit", ridge=0.01)
    loaded = nlparam.load(tmp_path / "fit", embedder=fitted.denoter.embedder)
    samples = loaded.posterior(num_samples=20, num_warmup=20, method="svi")
    samples["posterior"].attrs["fit"] = posterior_digest(loaded, contents["fields"])
    samples.to_netcdf(str(tmp_path / "fit" / "posterior.nc"), engine="h5netcdf")
    assert kept_posterior(loaded, tmp_path / "fit") is not None
