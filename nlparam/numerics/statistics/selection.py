"""Looking again as data arrive, until something is significant: what each look may spend of the level.

What remains of a difference that is reported because it was significant is in `effects`: `claimed_at` and
`size_of_claim`.
"""

from nlparam.errors import check_at_least, check_fractions


def look_level(look: int, *, level: float = 0.05) -> float:
    """The p-value that a test at one of several looks at growing data has to be below.

    It is `level / (look (look + 1))`, of which any number of looks sum to at most `level`. This holds whatever the data
    of the looks have in common.

    ```pycon
    >>> [round(look_level(look), 4) for look in (1, 2, 3, 4)]
    [0.025, 0.0083, 0.0042, 0.0025]

    ```

    Raises `ValueError` for a look below 1, and a level that is not between 0 and 1.
    """
    check_at_least(1, look=look)
    check_fractions(level=level)
    return level / (look * (look + 1))
