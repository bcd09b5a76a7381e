"""From the files of `configs/` and overrides to one checked configuration; what Hydra would say of a wrong override is
said here before, with what may stand there instead.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.experiments.schema import Config, ConfigError, defaults, known_keys, meant, unknown_key, validate

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ENTRY = "config"
GROUPS = ("experiment", "dataset", "model", "lm", "embedder", "judge", "refinement", "optim", "budget", "arm")


def register() -> None:
    """Makes the defaults of the schema known to Hydra, under the name that `configs/config.yaml` begins with."""
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    node = OmegaConf.create(defaults())
    for group in ("lm", "embedder"):
        # A group says the name itself; the ??? of a file would not count against a default.
        del node[group].name
    # What the chosen arm does not have is said when it is built, better than by Hydra.
    OmegaConf.set_struct(node.arm, False)
    ConfigStore.instance().store(name="schema", node=node)


def compose(overrides: Sequence[str] = (), *, configs: Path = CONFIGS) -> Config:
    """The configuration that `python -m benchmarks.run OVERRIDES` would run.

    Raises `ConfigError` for an unknown key, choice or value.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    check_overrides(overrides, configs=configs)
    register()
    with initialize_config_dir(str(configs), version_base="1.3"):
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


def choices(group: str, *, configs: Path = CONFIGS) -> list[str]:
    """The names of a group, as they are given on the command line."""
    folder = configs / group
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml"))


def launchers() -> list[str]:
    """The launchers that are installed."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    Plugins.instance()  # the launchers enter themselves when they are found
    return sorted(name.removesuffix(".yaml") for name in ConfigStore.instance().list("hydra/launcher"))


def check_overrides(arguments: Sequence[str], *, configs: Path = CONFIGS) -> None:
    """Raises `ConfigError` for an override of a key that there is not, or with a choice that a group does not have.

    **Arguments:** the command line; what is no override is passed over, and so is what Hydra finds wrong in its own
    grammar.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    # Folders that the user adds have choices of their own.
    folders = ("--config-dir", "-cd", "--config-path", "-cp", "hydra.searchpath")
    own = any(argument.split("=")[0] in folders for argument in arguments)
    wrong: list[str] = []
    for argument in arguments:
        if argument.startswith("-") or "=" not in argument:
            continue
        try:
            override = OverridesParser.create().parse_override(argument)
        except HydraException:
            continue
        key = override.get_key_element().lstrip("+~").partition("@")[0]
        if key == "hydra/launcher":
            wrong += _wrong_choices(key, _values(override), launchers(), hint=_LAUNCHER_HINT)
        elif key in GROUPS:
            wrong += [] if own else _wrong_choices(key, _values(override), choices(key, configs=configs))
        elif not key.startswith("hydra"):
            wrong += _wrong_key(key.split("."), configs)
    if wrong:
        raise ConfigError("\n".join(wrong))


_LAUNCHER_HINT = "; joblib and submitit come with pip install 'nlparam[benchmarks]'"


def _values(override: Any) -> list[str]:
    from hydra.core.override_parser.types import Glob

    value = override.value()
    if override.is_sweep_override():
        # What glob(...) stands for is known to Hydra only.
        listed = override.is_discrete_sweep() and not isinstance(value, Glob)
        return list(map(str, override.sweep_string_iterator())) if listed else []
    return [str(item) for item in (value if isinstance(value, list) else [value]) if item is not None]


def _wrong_choices(group: str, given: Iterable[str], there: list[str], *, hint: str = "") -> list[str]:
    what, listed = group.rpartition("/")[2], ", ".join(there)
    hint = "; a file of your own is dataset=file dataset.name=PATH" if group == "dataset" else hint
    return [
        f"there is no {what} {name!r}{meant(name, there)}, expected one of {listed}{hint}"
        for name in given
        if name not in there
    ]


def _wrong_key(path: list[str], configs: Path) -> list[str]:
    for depth, key in enumerate(path):
        keys = _arm_keys(configs) if path[:depth] == ["arm"] else known_keys(path[:depth])
        if keys is None:
            return []
        if depth == 0:
            keys = list(dict.fromkeys(["experiment", *keys]))
        if key not in keys:
            return [unknown_key(path[: depth + 1], keys)]
    return []


def _arm_keys(configs: Path) -> list[str]:
    """What any arm may be given; whether it is the chosen one is seen when it is built."""
    from omegaconf import OmegaConf

    files = [OmegaConf.load(file) for file in sorted((configs / "arm").glob("*.yaml"))]
    return list(dict.fromkeys(str(key) for file in files for key in file))
