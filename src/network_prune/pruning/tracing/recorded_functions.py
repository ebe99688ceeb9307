"""Functions that torch.fx records as one step: those given to fx.wrap, and those of math."""

import builtins
import math
from collections.abc import Collection, Mapping
from types import FunctionType, MethodType, SimpleNamespace
from typing import Any

from torch import nn
from torch.fx import _symbolic_trace as torch_fx

_Globals = dict[str, Any]


class RecordedFunctions:
    """Makes copies of modules' methods which find, in place of such functions, ones that record.

    The functions themselves stay as they are, since other threads call them meanwhile.

    Args:
        always: the ids of functions that are recorded wherever they are called.
    """

    def __init__(self, always: Collection[int]) -> None:
        self._always = always
        self._wrapped = torch_fx._wrapped_fns_to_patch.copy()
        self._math = SimpleNamespace(**(vars(math) | self._recording(vars(math))))
        self._copies: dict[int, _Globals | None] = {}

    def methods_of(self, module: nn.Module) -> dict[str, MethodType]:
        """Return by name the methods that call such functions, or may, bound to the module."""
        return {
            name: MethodType(_with_globals(value, found), module)
            for kind in reversed(type(module).__mro__)
            for name, value in vars(kind).items()
            if isinstance(value, FunctionType) and name not in vars(module)
            for found in [self._globals(value.__globals__)]
            if found is not None
        }

    def _globals(self, given: _Globals) -> _Globals | None:
        """Return globals in which functions record, None where there are none to record."""
        if id(given) not in self._copies:
            found = self._recording(given)
            found |= {name: self._math for name, value in given.items() if value is math}
            self._copies[id(given)] = _copy_of(given, found) if found else None
        return self._copies[id(given)]

    def _recording(self, given: Mapping[str, Any]) -> _Globals:
        """Return by name what takes the place of functions that are recorded."""
        names = {name for where, name in self._wrapped if where == id(given)}
        names |= {name for name, value in given.items() if id(value) in self._always}
        found: _Globals = {name: given.get(name) or getattr(builtins, name) for name in names}
        return {name: torch_fx._create_wrapped_func(value) for name, value in found.items()}


def _copy_of(given: _Globals, changes: _Globals) -> _Globals:
    """Return a Python module's globals with changes that its own functions see, too."""
    made = dict(given)
    for name, value in given.items():
        if isinstance(value, FunctionType) and value.__globals__ is given:
            made[name] = _with_globals(value, made)
    made.update(changes)
    return made


def _with_globals(function: FunctionType, found: _Globals) -> FunctionType:
    made = FunctionType(
        function.__code__, found, function.__name__, function.__defaults__, function.__closure__
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made
