"""Adversarial images that transfer from pruned surrogates; draws of a network against each other.

The package carries the function ``transfer`` as well, whose name it shares: calling it calls that.
"""

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """A package that is called as its function, since Python binds both to one name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Do what `network_prune.transfer.transfer.transfer` does."""
        from network_prune.transfer.transfer import transfer

        return transfer(*arguments, **options)


sys.modules[__name__].__class__ = _Room
