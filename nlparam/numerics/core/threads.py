"""How many threads linear algebra takes."""

import contextlib
import functools


def one_thread() -> contextlib.AbstractContextManager:
    """Keeps BLAS to one thread, for decompositions that take milliseconds.

    Its threads wait for one another at every step. Where another process, a language model for one, has a core, that
    takes hundreds of times longer than the work: the decomposition of 80 rows of 385 features took 1 s on two threads
    and 3 ms on one.
    """
    return _blas().limit(limits=1)


@functools.cache
def _blas():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
