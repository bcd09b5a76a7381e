"""Looking again claims no more than once."""

import numpy as np
import pytest
import scipy.stats

from nlparam.numerics.statistics.selection import look_level


def test_looking_again_claims_no_more(rng):
    """Four looks at data that grow by a quarter each; at a nominal 5%, 12% have a claim."""
    z = np.cumsum(rng.normal(size=(8_000, 4)), axis=1) / np.sqrt(np.arange(1, 5))
    p_values = 2 * scipy.stats.norm.sf(np.abs(z))
    assert np.mean(np.any(p_values <= 0.05, axis=1)) > 0.1
    levels = np.asarray([look_level(look) for look in range(1, 5)])
    assert 0.02 < np.mean(np.any(p_values <= levels, axis=1)) < 0.057


def test_looks_without_end_spend_no_more_than_the_level():
    assert sum(look_level(look, level=0.1) for look in range(1, 5_000)) == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize(("look", "level", "message"), [(0, 0.05, "at least 1"), (1, 0.0, "between 0 and 1")])
def test_what_cannot_be_used_is_refused(look, level, message):
    with pytest.raises(ValueError, match=message):
        look_level(look, level=level)
