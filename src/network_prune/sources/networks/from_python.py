"""Networks that a user's own code makes: ``file.py:callable``, ``package.module:callable``."""

import difflib
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from network_prune.errors import SourceError
from network_prune.sources.networks.architecture import Architecture, Published
from network_prune.sources.networks.stated import stated_preprocessing
from network_prune.sources.networks.user_code import (
    call,
    find_callable,
    import_module,
    importable,
    run_file,
)

PREFIXES = ("timm", "hf", "hub", "packed")
_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"


def names_python_module(spec: str) -> bool:
    """Return whether ``spec`` is written as ``package.module:callable``."""
    return re.fullmatch(f"{_NAME}:{_NAME}", spec) is not None


def open_python_file(spec: str) -> Architecture:
    """Return the way to make the network of ``file.py:callable``; runs that file.

    The callable takes no arguments and returns an ``nn.Module``, or a pair of one and
    its preprocessing. While it runs, the file's folder is importable. What the network
    says of itself is read by `stated_preprocessing` and `stated_class_names`.

    Raises:
        SourceError: there is no such file or callable, or its code fails.
    """
    file, _, name = spec.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise SourceError(f"no file {path}; pass file.py:callable")

    def find() -> Callable[..., Any]:
        return find_callable(run_file(path), name, where=str(path))

    return _architecture(spec, find, path.resolve().parent)


def open_python_module(spec: str) -> Architecture:
    """Return the way to make the network of ``package.module:callable``; imports that module.

    As with ``file.py:callable``, but the current folder is importable, as
    for ``python -m``.

    Raises:
        SourceError: there is no such module or callable, or its code fails.
    """
    module, _, name = spec.partition(":")
    top = module.partition(".")[0]
    hint = mistyped_prefix(spec) or f"install it or run where {top} lies"

    def find() -> Callable[..., Any]:
        return find_callable(import_module(module, hint=hint), name, where=module)

    return _architecture(spec, find, Path.cwd())


def mistyped_prefix(spec: str) -> str:
    """Return a question with the prefix that ``spec`` may have meant; empty if none is like it."""
    start, _, rest = spec.partition(":")
    near = difflib.get_close_matches(start.lower(), PREFIXES, n=1, cutoff=0.6)
    return f"did you mean {near[0]}:{rest}?" if near else ""


def _architecture(spec: str, find: Callable[[], Callable[..., Any]], folder: Path) -> Architecture:
    preprocessing = partial(stated_preprocessing, spec=spec)

    def published() -> Published:
        with importable(folder):
            model = call(find(), spec)
        return Published(model, f"as {spec} returns them", preprocessing(model))

    return Architecture(None, published, preprocessing)
