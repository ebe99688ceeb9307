"""Packages that only some forms need: extras, and dependencies that somebody left out."""

import importlib.util

from network_prune.errors import SourceError


def is_installed(package: str) -> bool:
    """Return whether ``package`` can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def require(package: str, *, what: str, extra: str | None = None) -> None:
    """Refuse ``what`` unless ``package`` is installed.

    Raises:
        SourceError: it isn't; the message names the ``extra`` that brings it, or the package
            itself where it is a dependency.
    """
    if not is_installed(package):
        wanted = f"'network-prune[{extra}]'" if extra else package
        raise SourceError(f"{what} needs the package {package}: pip install {wanted}")
