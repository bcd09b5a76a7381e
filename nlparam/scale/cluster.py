"""Ray: the cluster that is there or one on this machine, and the workers of a job."""

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

from nlparam.errors import MissingExtraError
from nlparam.scale.worker import AbstractStep


@contextlib.contextmanager
def cluster(address: str | None = None) -> Iterator[Any]:
    """The module `ray`, connected for the `with` block.

    A connection that the program has made itself is used and left alone. Otherwise Ray is started on this machine and
    stopped afterwards, unless `address` (or the variable RAY_ADDRESS) names a cluster.

    Raises `MissingExtraError` if Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray's core prints a warning whenever Ray Data starts an actor.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "scale-out") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        yield ray
        return
    quiet: dict[str, Any] = {"logging_level": "error", "log_to_driver": False}
    address = address or os.environ.get("RAY_ADDRESS")
    if address in (None, "local"):
        ray.init(address="local", include_dashboard=False, **quiet)
    else:
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConnectionError(
                f"cannot connect to the Ray cluster {address!r} ({error}): start one with `ray start --head`"
            ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def choose_workers(
    ray: Any,
    step: AbstractStep,
    n_tasks: int,
    *,
    workers: int | tuple[int, int] | None,
    cpus: float | None,
    gpus: float | None,
) -> dict[str, Any]:
    """How many workers of which size a job gets, as arguments of `map_batches`: as asked for, else as suits it.

    Servers get two workers each, so that one sends while the other writes. What is computed in the workers gets one
    for each GPU if there are any, else one for each machine or for each processor.
    """
    machines = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
    machines = [processors for processors in machines if processors >= 1] or [1.0]
    n_gpus = 0 if step.servers else int(ray.cluster_resources().get("GPU", 0))
    if cpus is None:
        cpus = min(machines) if step.whole_machine and not step.servers and not n_gpus else 1.0
    if workers is None:
        room = int(sum(machines) / cpus) if cpus else n_tasks
        workers = max(1, min(2 * step.servers or n_gpus or room, room, n_tasks))
    fewest, most = (workers, workers) if isinstance(workers, int) else workers
    if not 1 <= fewest <= most:
        raise ValueError(f"got {workers} workers, expected at least 1, or a pair (fewest, most)")
    pool = ray.data.ActorPoolStrategy(min_size=fewest, max_size=most, max_tasks_in_flight_per_actor=2)
    return {"compute": pool, "num_cpus": cpus, "num_gpus": (float(n_gpus > 0) if gpus is None else gpus) or None}
