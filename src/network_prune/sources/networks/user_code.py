"""Python code that a user names: found, run, called, with one line where it fails."""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from torch import nn

from network_prune.errors import SourceError, one_line, unknown_name
from network_prune.sources.downloads import libraries_told

_PREFIX: Final = "network_prune_user_"
# Which folder each module of a user's code was imported from.
_origins: dict[str, Path] = {}


@contextmanager
def importable(folder: Path) -> Generator[None]:
    """Import modules from ``folder`` first meanwhile, as Python does for a script in it.

    Two folders may each have a ``models.py``: modules that another folder gave
    are forgotten if this one has its own of that name. What the code downloads goes where
    ours does.
    """
    folder = folder.resolve()
    _forget_namesakes(folder)
    importlib.invalidate_caches()
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        with libraries_told():
            yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if _is_from(folder, name):
                _origins[name] = folder


def user_modules() -> list[ModuleType]:
    """Return the modules of a user's code that are there, which other processes may lack."""
    names = [name for name in sys.modules if name.startswith(_PREFIX) or name in _origins]
    return [sys.modules[name] for name in names]


class _SourceAlone(SourceFileLoader):
    """Runs what a file says: bytecode may be of a version of the same second and size."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def run_file(path: Path) -> ModuleType:
    """Return the module that running ``path`` makes; `importable` is left to the caller.

    Raises:
        SourceError: it isn't Python, or its code fails.
    """
    # A name of its own for each file, registered because dataclasses and pickle look it up.
    name = f"{_PREFIX}{hashlib.sha256(bytes(path.resolve())).hexdigest()[:16]}"
    plan = importlib.util.spec_from_file_location(name, path)
    if plan is None or plan.loader is None:
        raise SourceError(f"{path} can't be imported as Python")
    if type(plan.loader) is SourceFileLoader:
        plan.loader = _SourceAlone(name, str(path))
    module = importlib.util.module_from_spec(plan)
    sys.modules[name] = module
    try:
        plan.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        raise SourceError(f"{path} failed to run: {_reason(error)}") from error
    return module


def import_module(name: str, *, hint: str) -> ModuleType:
    """Return the module ``name``; `importable` is left to the caller.

    Raises:
        SourceError: there is none, which ``hint`` says how to mend, or its code fails.
    """
    try:
        return importlib.import_module(name)
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{name}.".startswith(f"{missing}."):
            raise SourceError(f"no module {name}; {hint}") from error
        raise SourceError(f"module {name} failed on import: {_reason(error)}") from error


def find_callable(module: ModuleType, name: str, *, where: str) -> Callable[..., Any]:
    """Return what ``name``, such as ``make`` or ``Net.build``, is in ``module``.

    Raises:
        SourceError: there is no such callable; the message names those like it.
    """
    holder: Any = module
    *path, last = name.split(".")
    for step in path:
        if not hasattr(holder, step):
            raise SourceError(f"{where}: {unknown_name('attribute', step, _public(holder))}")
        holder = getattr(holder, step)
    found = getattr(holder, last, None)
    if callable(found):
        return found
    names = [key for key in _public(holder) if callable(getattr(holder, key, None))]
    raise SourceError(f"{where}: {unknown_name('callable', last, names)}")


def parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of ``function``; none where they can't be known."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def call(make: Callable[..., Any], spec: str, **options: Any) -> nn.Module:
    """Return the network that ``make`` gives for ``options`` alone.

    Where ``make`` gives a pair, the second is what the network's attribute ``preprocessing``
    says then.

    Raises:
        SourceError: it needs more arguments, fails, or returns something else.
    """
    needed = [
        name
        for name, parameter in parameters(make).items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and name not in options
    ]
    if needed:
        raise SourceError(
            f"{spec} needs arguments ({', '.join(needed)}); name a callable that needs none"
        )
    try:
        made = make(**options)
    except Exception as error:
        raise SourceError(f"{spec} failed: {_reason(error)}") from error
    is_pair = isinstance(made, tuple) and len(made) == 2
    model = made[0] if is_pair else made
    if not isinstance(model, nn.Module):
        raise SourceError(
            f"{spec} returned a {type(made).__name__}; it must return an nn.Module, or a pair of "
            "one and its preprocessing"
        )
    if is_pair:
        # A preset of torchvision is a module itself, which must not become a part of the network.
        object.__setattr__(model, "preprocessing", made[1])
    return model


def _reason(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it needs the module {error.name}, which isn't installed"
    return one_line(error)


def _public(holder: Any) -> list[str]:
    return [key for key in vars(holder) if key[0] != "_"] if hasattr(holder, "__dict__") else []


def _is_from(folder: Path, name: str) -> bool:
    module = sys.modules.get(name)
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    place = next((Path(place) for place in places if place), None)
    if place is None or not place.is_relative_to(folder):
        return False
    # What lies deeper comes from elsewhere on the path, e.g. a virtual environment in the folder.
    return place.relative_to(folder).parts[0].partition(".")[0] == name.partition(".")[0]


def _forget_namesakes(folder: Path) -> None:
    for name, origin in list(_origins.items()):
        top = name.partition(".")[0]
        if origin != folder and ((folder / f"{top}.py").is_file() or (folder / top).is_dir()):
            del _origins[name]
            sys.modules.pop(name, None)
