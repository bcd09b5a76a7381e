"""BLAS takes one thread where it is told to, and as many as before afterwards."""

from threadpoolctl import threadpool_info, threadpool_limits

from nlparam.numerics.core.threads import one_thread


def n_threads():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_small_decompositions_take_one_thread():
    with threadpool_limits(limits=2, user_api="blas"):
        before = n_threads()
        with one_thread():
            assert n_threads() == {1}
        assert n_threads() == before
