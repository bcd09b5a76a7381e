"""Runs experiments: `python -m benchmarks.run experiment=paper/clustering dataset=bbc lm=embedded seed=0`.

With `-m`, commas sweep: `-m dataset=agnews,bbc seed=0,1,2 arm=full,kmeans hydra/launcher=joblib`. Every run has a
folder of its own below `outputs/`; a finished one is not repeated, so a sweep that stopped goes on by the same command.
`--help` lists the groups, `--cfg job` shows what would be run. See docs/how-to/experiments.md.
"""

import sys
from typing import Any

from benchmarks.experiments.composing import CONFIGS, ENTRY, checked, register
from benchmarks.experiments.schema import UnfitError


def main() -> None:
    import hydra

    # Hydra's parser wants its flags before or behind all overrides; between them they are an error nobody understands.
    sys.argv[1:] = sorted(sys.argv[1:], key=lambda argument: argument not in ("-m", "--multirun"))
    register()
    hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name=ENTRY)(run_composed)()


def run_composed(composed: Any) -> None:
    """Runs what Hydra composed. What a user can mend ends with its message alone, without a stack trace."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import CompactHydraException
    from hydra.types import RunMode

    from nlparam.errors import NlparamError

    try:
        config = checked(composed)
        # JAX is imported here and not before, so that help and wrong options take no seconds.
        from benchmarks.experiments.execute import execute

        run, new = execute(config)
        print(run.summary() if new else f"there already: {run.summary()}", flush=True)
    except (NlparamError, ValueError, ImportError) as error:
        if isinstance(error, UnfitError) and HydraConfig.get().mode == RunMode.MULTIRUN:
            print(f"left out: {error}", file=sys.stderr, flush=True)
            return
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            # Hydra says at the end what went wrong first; the other runs of the sweep are said here.
            print(f"failed ({' '.join(HydraConfig.get().overrides.task)}): {error}", file=sys.stderr, flush=True)
        raise CompactHydraException(str(error)) from error


if __name__ == "__main__":
    # Launchers send the function to other processes, which must find it under the name of its module.
    from benchmarks.run import main as run_main

    run_main()
