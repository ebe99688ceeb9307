"""Packages that only some forms need, installed as extras."""

import importlib.util

from network_prune.errors import SourceError


def require(package: str, *, extra: str, what: str) -> None:
    """Refuse ``what`` unless ``package`` is installed.

    Raises:
        SourceError: it isn't; the message names the ``extra`` that brings it.
    """
    if importlib.util.find_spec(package) is None:
        raise SourceError(
            f"{what} needs the package {package}: pip install 'network-prune[{extra}]'"
        )
