"""Which versions of Python and of packages are installed: what a fit and a run write down."""

import contextlib
import importlib.metadata
import platform

_PACKAGES = "nlparam jax equinox optax numpy scikit-learn scipy sentence-transformers torch xllamacpp llama-cpp-python"


def installed_versions() -> dict[str, str]:
    """The versions of Python and of the packages that can change a result, as far as they are installed."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES.split():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # an optional one
            versions[package] = importlib.metadata.version(package)
    return versions
