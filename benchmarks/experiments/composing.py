"""From the files of `configs/` and overrides to one checked configuration: Hydra composes it, the schema checks it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.experiments.schema import Config, ConfigError, defaults, validate

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ENTRY = "config"


def register() -> None:
    """Makes the defaults of the schema known to Hydra, under the name that `configs/config.yaml` begins with."""
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    node = OmegaConf.create(defaults())
    for group in ("lm", "embedder"):
        # A group says the name itself; the ??? of a file would not count against a default.
        del node[group].name
    for section in node.values():
        if OmegaConf.is_dict(section):
            # The schema says what a section has, better than Hydra.
            OmegaConf.set_struct(section, False)
    ConfigStore.instance().store(name="schema", node=node)


def compose(overrides: Sequence[str] = ()) -> Config:
    """The configuration that `python -m benchmarks.run OVERRIDES` would run.

    Raises `ConfigError` for an unknown key of a section or a wrong value, and Hydra's own errors for other overrides.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return checked(hydra_compose(ENTRY, overrides=list(overrides)))


def checked(composed: Any) -> Config:
    """The checked configuration of what Hydra composed; the rest of the code knows nothing of OmegaConf."""
    from omegaconf import OmegaConf
    from omegaconf.errors import MissingMandatoryValue

    try:
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        missing = str(error.full_key)
        raise ConfigError(f"{missing} is not set, expected {missing}=VALUE") from None
    assert isinstance(values, dict)
    return validate({str(key): value for key, value in values.items()})
