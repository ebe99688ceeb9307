"""Networks that a user's own file makes: ``file.py:callable``."""

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from network_prune.errors import SourceError, unknown_name
from network_prune.sources.architecture import Architecture, Published, one_line
from network_prune.sources.preprocessing import Preprocessing, from_timm


def open_python_file(spec: str) -> Architecture:
    """Return the way to make the network of ``file.py:callable``; runs that file.

    The callable takes no arguments and returns an ``nn.Module``. While it
    runs, the file's folder is importable. A network with a ``default_cfg`` or
    ``pretrained_cfg`` like timm's says its preprocessing by it; others get
    ImageNet's usual one: resize 256, crop 224.

    Raises:
        SourceError: there is no such file or callable, or its code fails.
    """
    file, _, name = spec.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise SourceError(f"no file {path}; pass file.py:callable")

    def published(weights: str | None) -> Published:
        if weights is not None:
            raise SourceError(f"{spec} has no weights {weights!r}; pass default or a file")
        with _importable(path.resolve().parent):
            model = _call(_find(_run(path), name, path), spec)
        return Published(model, f"as {spec} returns them", _preprocessing(model, spec))

    return Architecture(None, published, lambda model: _preprocessing(model, spec))


def _run(path: Path) -> ModuleType:
    # A name of its own for each file, registered because dataclasses and pickle look it up.
    name = f"network_prune_user_{hashlib.sha256(bytes(path.resolve())).hexdigest()[:16]}"
    plan = importlib.util.spec_from_file_location(name, path)
    if plan is None or plan.loader is None:
        raise SourceError(f"{path} can't be imported as Python")
    module = importlib.util.module_from_spec(plan)
    sys.modules[name] = module
    try:
        plan.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise SourceError(f"{path} failed to run: {one_line(error)}") from error
    return module


def _find(module: ModuleType, name: str, path: Path) -> Callable[[], Any]:
    found = getattr(module, name, None)
    if callable(found):
        return found
    names = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
    raise SourceError(f"{path}: {unknown_name('callable', name, names)}")


def _call(make: Callable[[], Any], spec: str) -> nn.Module:
    try:
        model = make()
    except (Exception, SystemExit) as error:
        raise SourceError(f"{spec} failed: {one_line(error)}") from error
    if not isinstance(model, nn.Module):
        raise SourceError(f"{spec} returned a {type(model).__name__}; it must return an nn.Module")
    return model


def _preprocessing(model: nn.Module, spec: str) -> Preprocessing:
    for attribute in ("pretrained_cfg", "default_cfg"):
        config = getattr(model, attribute, None)
        if isinstance(config, Mapping):
            return from_timm(config, name=spec)
    return Preprocessing()


@contextmanager
def _importable(folder: Path) -> Generator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
