"""Functions that torch.fx records as one step: those given to fx.wrap, and those of math."""

import builtins
import math
from collections.abc import Collection, Mapping
from types import FunctionType, MethodType, SimpleNamespace
from typing import Any, TypeGuard

from torch import nn
from torch.fx import _symbolic_trace as torch_fx

_Globals = dict[str, Any]


class RecordedFunctions:
    """Makes copies of modules' methods, and of all functions that they find among their globals.

    In place of such functions they find ones that record. The functions themselves stay as they
    are, since other threads call them meanwhile.

    Args:
        always: the ids of functions that are recorded wherever they are called.
    """

    def __init__(self, always: Collection[int]) -> None:
        self._always = always
        self._wrapped = torch_fx._wrapped_fns_to_patch.copy()
        self._math = SimpleNamespace(**(vars(math) | self._recording(vars(math))))
        self._copies: dict[int, Any] = {}

    def methods_of(self, module: nn.Module) -> dict[str, MethodType]:
        """Return by name copies of the module's methods, bound to it."""
        return {
            name: MethodType(self._copy_of(value), module)
            for kind in reversed(type(module).__mro__)
            for name, value in vars(kind).items()
            if _is_copied(value) and name not in vars(module)
        }

    def _copy_of(self, function: FunctionType) -> FunctionType:
        if id(function) not in self._copies:
            found, defaults = self._globals(function.__globals__), function.__defaults__
            name, closure = function.__name__, function.__closure__
            made = FunctionType(function.__code__, found, name, defaults, closure)
            made.__kwdefaults__ = function.__kwdefaults__
            self._copies[id(function)] = made
        return self._copies[id(function)]

    def _globals(self, given: _Globals) -> _Globals:
        """Return a Python module's globals, with copies of functions in it."""
        if id(given) not in self._copies:
            made = self._copies[id(given)] = dict(given)
            for name, value in given.items():
                if value is math:
                    made[name] = self._math
                elif _is_copied(value):
                    made[name] = self._copy_of(value)
            made.update(self._recording(given))
        return self._copies[id(given)]

    def _recording(self, given: Mapping[str, Any]) -> _Globals:
        """Return by name what takes the place of functions that are recorded."""
        names = {name for where, name in self._wrapped if where == id(given)}
        names |= {name for name, value in given.items() if id(value) in self._always}
        found: _Globals = {name: given.get(name) or getattr(builtins, name) for name in names}
        return {name: torch_fx._create_wrapped_func(value) for name, value in found.items()}


def _is_copied(value: object) -> TypeGuard[FunctionType]:
    """Whether it is a function of other code than PyTorch's, which symbols never enter."""
    if not isinstance(value, FunctionType):
        return False
    return str(value.__globals__.get("__name__")).partition(".")[0] != "torch"
