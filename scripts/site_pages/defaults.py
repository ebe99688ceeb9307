"""Defaults in signatures: the value where the source has a private name for it."""

import importlib
import re
from typing import Any

import griffe

# A name that starts with an underscore, or an option of the declaration.
_INNER = re.compile(r"_[A-Z_]+|OPTIONS\[.*")


class Defaults(griffe.Extension):
    """Show ``64`` in place of ``_BATCH_SIZE``."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Put values in the place of a function's defaults that readers can't look up."""
        for parameter in func.parameters:
            text = str(parameter.default or "")
            if _INNER.fullmatch(text):
                names = vars(importlib.import_module(func.module.path))
                parameter.default = repr(eval(text, names))
