"""Where the judge's "yes" begins for a rule, by the texts that were written to break it and those that were not."""

import numpy as np
from jaxtyping import Float

from nlparam.numerics.heads.head import bias

_LEAST = 4  # texts on either side
_SPREADS = 2.0
_MAD = 1.4826  # the standard deviation of a normal distribution, in median absolute deviations
_MOST_LOG_ODDS = 4.0  # as in the learned head: nothing is surer than this


def yes_begins(own: Float[np.ndarray, " n_own"], others: Float[np.ndarray, " n_others"]) -> float:
    """The log-odds above which a small model's answer about a rule is taken as a yes.

    Even odds mean little: of one rule such a model gives 0.9 to what breaks it, of another 0.15, and a tenth of that to
    everything else. Here it is known what each text was written for. The answers for `others`, written for something
    permitted, say what a no looks like: it ends two spreads above their median. Half the way from there to the median
    of `own`, the texts written for the rule, is where a yes begins. Both are medians, and the spread is a median
    absolute deviation, because the writer errs too: up to half of either may be what they should not.

    Where either has fewer than four texts, the valley between all answers (`nlparam.numerics.heads.head.bias`).
    """
    if len(own) < _LEAST or len(others) < _LEAST:
        return bias(np.concatenate([own, others]))
    centre = float(np.median(others))
    ends = centre + _SPREADS * _MAD * float(np.median(np.abs(others - centre)))
    return max(ends, (ends + min(float(np.median(own)), _MOST_LOG_ODDS)) / 2)
