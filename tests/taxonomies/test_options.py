"""How much the growing of a taxonomy does: options that are given in part."""

import pytest

from nlparam.taxonomies.options import STRONG, TaxonomyOptions, options_of


@pytest.mark.parametrize("default", [TaxonomyOptions(), STRONG])
def test_whoever_judges_fewer_texts_screens_on_no_more(default):
    assert options_of(default, {"n_judged": 24}).n_screened == 24
    assert options_of(default, {"n_judged": 500}).n_screened == default.n_screened
    assert options_of(default, {"n_judged": None}).n_screened == default.n_screened
    with pytest.raises(ValueError, match="at least n_screened=30"):
        options_of(default, {"n_judged": 24, "n_screened": 30})
