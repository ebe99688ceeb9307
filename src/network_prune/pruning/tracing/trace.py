"""Write down a network's steps symbolically, unnoticed by other threads.

torch.fx.Tracer.trace exchanges methods of nn.Module, and functions in Python modules' globals,
for the whole process. Here a copy of the network records itself: attributes of its own modules
hand calls and Parameters to the tracer, and torch.fx's symbols do the rest.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import MethodType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx import _symbolic_trace as torch_fx
from torch.nn.modules.batchnorm import _BatchNorm

from network_prune.pruning.draws_kept import DrawsKept
from network_prune.pruning.ranking.rankable import MAPS
from network_prune.pruning.tracing.recorded_functions import RecordedFunctions


def trace(model: nn.Module, *, without: Iterable[str] = ()) -> fx.Graph:
    """Return the network's steps; its convolutions, linear maps and BatchNorms are one each.

    The network is left alone, whatever its forward keeps on its modules.

    Args:
        model: the network.
        without: paths of modules in whose place nn.Identity stands.

    Raises whatever copying the network raises, or its own code does on symbols.
    """
    values = [value for module in model.modules() for value in vars(module).values()]
    tensors = [*model.parameters(), *model.buffers(), *values]
    memo = {id(tensor): _alias(tensor) for tensor in tensors if isinstance(tensor, Tensor)}
    twin = copy.deepcopy(model, memo)
    for path in without:
        twin.set_submodule(path, nn.Identity())
    with _tracing_flag(), DrawsKept(), torch.no_grad():
        return _Recorder().record(twin)


def _alias(tensor: Tensor) -> Tensor:
    """Return another tensor with the same memory: what isn't the copy's own shows by that."""
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(tensor.detach(), tensor.requires_grad)
    return tensor.detach()


def _tracing_flag() -> AbstractContextManager[None]:
    """Let code that asks torch.fx whether it traces hear so, where only this thread is told."""
    is_local = hasattr(torch_fx, "_is_fx_tracing_tls")
    return torch_fx._is_fx_tracing_context(True) if is_local else nullcontext()


class _Recorder(fx.Tracer):
    def __init__(self) -> None:
        super().__init__()
        # torch.fx numbers constants by a table of all tracers: names would hang on other threads.
        self._qualname_counter = defaultdict(int)
        self._functions = RecordedFunctions(self._autowrap_function_ids)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        leaf = isinstance(m, (*MAPS, _BatchNorm))
        return leaf or super().is_leaf_module(m, module_qualified_name)

    def record(self, root: nn.Module) -> fx.Graph:
        """Run ``root``, which is of no use afterwards, on symbols; return what it did."""
        self.root, self.graph = root, fx.Graph(tracer_cls=type(self))
        modules = dict(root.named_modules())
        self.submodule_paths = {module: path for path, module in modules.items()}
        self.tensor_attrs = {
            value: f"{path}.{name}".lstrip(".")
            for path, module in modules.items()
            for name, value in vars(module).items()
            if isinstance(value, Tensor)
        }
        symbols = {p: _Symbol(self, path) for path, p in root.named_parameters()}
        try:
            for module in modules.values():
                self._let_record(module, symbols)
            forward, inputs = self.create_args_for_root(_forward_of(root), True)
            self.create_node("output", "output", (self.create_arg(forward(*inputs)),), {})
        finally:
            for module in modules.values():
                vars(module).clear()  # else cycles would hold the network's tensors
        return self.graph

    def _let_record(self, module: nn.Module, symbols: dict[nn.Parameter, "_Symbol"]) -> None:
        """Set attributes that Python finds before the class's methods and the Parameters."""
        own = vars(module)
        if not self.is_leaf_module(module, ""):
            own.update(self._functions.methods_of(module))
        own.update((name, symbols[p]) for name, p in module._parameters.items() if p is not None)
        # nn.Module calls this in the place of all that a call does.
        own["_compiled_call_impl"] = partial(self._call, module)

    def _call(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return self.call_module(module, module._call_impl, args, kwargs)


def _forward_of(module: nn.Module) -> Callable[..., Any]:
    forward = module.forward
    if isinstance(forward, MethodType) and forward.__self__ is module:
        return forward.__func__
    raise TypeError(f"the forward of {type(module).__name__} is no method of its own")


class _Symbol(fx.Proxy):
    """Stands for a Parameter, and becomes a step of the graph when it is first used."""

    def __init__(self, tracer: fx.Tracer, path: str) -> None:
        self.tracer = tracer
        self._path = path
        self._node: fx.Node | None = None

    @property
    def node(self) -> fx.Node:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self._node is None:
            self._node = self.tracer.create_node("get_attr", self._path, (), {})
        return self._node
