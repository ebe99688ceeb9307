"""Follow the channels of a network's values while it runs on an example."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from network_prune.deploy.removal.channels import Channels, Constants
from network_prune.deploy.removal.joined import Joined, join
from network_prune.deploy.removal.layer_call import LayerCall, reads_of
from network_prune.deploy.removal.rules import rule_for, tensors_in
from network_prune.deploy.removal.values import Value, Values
from network_prune.errors import UnsupportedNetworkError
from network_prune.pruning.ranking.rankable import MAPS

_MAP = ("input", "weight", "bias")
_NORM = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
# The functions that layers call, with the names of their first arguments.
_LAYER_FUNCTIONS: Final[Mapping[Any, tuple[str, ...]]] = {
    F.linear: _MAP,
    F.conv1d: _MAP,
    F.conv2d: _MAP,
    F.conv3d: _MAP,
    F.conv_transpose1d: _MAP,
    F.conv_transpose2d: _MAP,
    F.conv_transpose3d: _MAP,
    F.batch_norm: _NORM,
}


@dataclass
class Flow:
    """What a network did with its channels.

    Attributes:
        calls: the layers that were called, in the order in which they ended.
        joins: the values that were joined.
        left: why layers must stay as they are, by their path.
    """

    calls: list[LayerCall] = field(default_factory=list)
    joins: list[Joined] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def follow(model: nn.Module, run: Callable[[nn.Module], Any]) -> Flow:
    """Return what becomes of the channels of ``model`` when it runs.

    Args:
        model: the network, in eval mode; its layers have hooks meanwhile.
        run: calls it with an example.

    Raises:
        UnsupportedNetworkError: the network's steps hang on the numbers in the example.
    """
    follower = _Follower(model)
    handles = [
        handle
        for module in follower.names
        for handle in (
            module.register_forward_pre_hook(follower.enter),
            module.register_forward_hook(follower.leave),
        )
    ]
    try:
        with torch.no_grad(), _LayerFunctions(follower), follower:
            result = run(model)
    finally:
        for handle in handles:
            handle.remove()
    return follower.finish(tensors_in(result))


@dataclass(eq=False)
class _Call:
    """A call of a layer's module that hasn't ended."""

    module: nn.Module
    given: Value | None = None
    inside: Value | None = None
    made: Value | None = None
    operations: int = 0

    def is_plain(self, sent: Value) -> bool:
        """Whether one operation is all that stands between the channels given and ``sent``."""
        if self.given is None or self.inside is None or self.made is None:
            return False
        return (
            self.operations == 1
            and self.given.count == self.inside.count
            and sent.channels.is_joined(self.made.channels)
        )


class _LayerFunctions(TorchFunctionMode):
    def __init__(self, follower: "_Follower") -> None:
        super().__init__()
        self._follower = follower

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        names = _LAYER_FUNCTIONS.get(func)
        if names is not None:
            return self._follower.compute(func, args, kwargs, names)
        return func(*args, **kwargs)


class _Follower(TorchDispatchMode):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.names = {
            module: name
            for name, module in model.named_modules()
            if isinstance(module, (*MAPS, _BatchNorm))
        }
        self._holders: dict[int, list[nn.Module]] = {}
        for module in model.modules():
            for tensor in (*module._parameters.values(), *module._buffers.values()):
                if tensor is not None:
                    self._holders.setdefault(id(tensor), []).append(module)
        self._values = Values()
        self._flow = Flow()
        self._open: list[_Call] = []
        self._is_in_layer = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Else the first operation imports torch.compile's tracer, which takes seconds.
        return False

    # --- what the network calls ---

    def enter(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Begin a layer's call: what it is given becomes another value, of other channels."""
        call = _Call(module)
        self._open.append(call)
        if not args or not isinstance(args[0], Tensor):
            return None
        axis = _axis(module, args[0].dim())
        call.given = self._values.at(args[0], axis)
        call.inside = self._copied(call.given)
        return (call.inside.tensor, *args[1:])

    def leave(self, module: nn.Module, args: Any, result: Any) -> Any:
        """End a layer's call: what it sends on becomes another value, too."""
        call = self._open.pop()
        sent = self._values.get(result) if isinstance(result, Tensor) else None
        if sent is None or not call.is_plain(sent):
            for value in (call.given, call.inside, call.made, sent):
                if value is not None:
                    value.channels.need_all()
            self._leave(module, "it does more than compute with one input")
            return None
        assert call.given is not None
        assert call.inside is not None
        copied = self._copied(sent)
        self._flow.calls.append(
            LayerCall(
                name=self.names[module],
                module=module,
                given=call.given.channels,
                taken=call.inside.channels,
                made=sent.channels,
                sent=copied.channels,
                inputs=call.inside.constants,
                outputs=copied.constants,
                axes=(call.given.axis, sent.axis),
            )
        )
        return copied.tensor

    def compute(self, func: Any, args: Any, kwargs: Any, names: tuple[str, ...]) -> Any:
        """Compute with a layer's weight."""
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        call = self._open[-1] if self._open else None
        if call is None or self._is_in_layer or not _is_of(call.module, given):
            return func(*args, **kwargs)
        self._is_in_layer = True  # what follows is no step of the network's
        try:
            result = func(*args, **kwargs)
            call.operations += 1
            taken = self._values.at(given["input"], _axis(call.module, result.dim()))
            if call.inside is None or not taken.channels.is_joined(call.inside.channels):
                taken.channels.need_all()  # it isn't what the module was given
            call.inside = taken
            call.made = self._values.set(_made(call, func, args, kwargs, names, result))
        finally:
            self._is_in_layer = False
        return result

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not self._is_in_layer:
            self._see(func, args, kwargs, result)
        return result

    # --- what it means ---

    def finish(self, results: list[Tensor]) -> Flow:
        """Return what was found; all of the results' channels are needed."""
        self._values.need_all(results)
        seen: set[nn.Module] = set()
        for call in self._flow.calls:
            if call.module in seen:
                self._leave(call.module, "it is called more than once")
            seen.add(call.module)
            if any(len(self._holders[id(t)]) > 1 for t in call.module.parameters(recurse=False)):
                self._leave(call.module, "it shares a tensor with another layer")
        for module in self.names.keys() - seen:
            self._leave(module, "it isn't called on the example")
        for call in self._flow.calls:
            if call.name in self._flow.left:
                call.leave()
        return self._flow

    def _see(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        inputs, outputs = tensors_in(args, kwargs), tensors_in(result)
        for tensor in inputs:
            for holder in self._holders.get(id(tensor), []):
                if holder in self.names:
                    self._leave(holder, "its tensors are read without calling it")
        if not any(self._values.is_computed(tensor) for tensor in inputs):
            return
        if func.overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.equal):
            raise UnsupportedNetworkError(
                "the network decides by numbers that it computes from its input, so another input "
                "may take other steps; neurons can't be removed from it"
            )
        self._values.computed(*outputs)
        try:
            found = self._found(func, args, kwargs, result)
        except Exception:  # it is called in a way that its rule doesn't know
            found = None
        if found is None:
            self._values.need_all(inputs)
        else:
            for value in found:
                self._values.set(value)
        for tensor in _written(func, args, kwargs):
            self._values.overwritten(tensor, found or [])

    def _found(self, func: Any, args: Any, kwargs: Any, result: Any) -> list[Value] | None:
        if not self._values.among(tensors_in(args, kwargs)):
            return []
        if func is torch.ops.aten.cat.default:
            axis = args[1] if len(args) > 1 else kwargs.get("dim", 0)
            joined = join(self._values, args[0], axis, result)
            if joined is None:
                return None
            value, link = joined
            if link is not None:
                self._flow.joins.append(link)
            return [value]
        rule = rule_for(func)
        return None if rule is None else rule(self._values, func, args, kwargs, result)

    def _copied(self, value: Value) -> Value:
        """Return another value of the same numbers, with channels of its own."""
        alias = value.tensor.detach()
        channels = Channels(value.count)
        return self._values.set(Value(alias, value.axis, channels, value.constants))

    def _leave(self, module: nn.Module, why: str) -> None:
        self._flow.left.setdefault(self.names[module], why)


def _made(
    call: _Call, func: Any, args: Any, kwargs: Any, names: Sequence[str], result: Tensor
) -> Value:
    """Return what is known of what a layer made."""
    inside = call.inside
    assert inside is not None
    if isinstance(call.module, _BatchNorm):
        constants = _norm_constants(func, args, kwargs, names, inside)
        return Value(result, inside.axis, inside.channels, constants)
    constants = _map_constants(call.module, inside.constants)
    return Value(result, inside.axis, Channels(len(constants.known)), constants)


def _axis(module: nn.Module, size: int) -> int:
    """Return a layer's channel axis, counted from the end, in tensors of ``size`` axes."""
    if isinstance(module, nn.Linear):
        return -1
    if isinstance(module, _BatchNorm):
        return 1 - size
    assert isinstance(module, _ConvNd)
    return -1 - len(module.kernel_size)


def _is_of(module: nn.Module, given: Mapping[str, Any]) -> bool:
    """Whether an operation computes with the module's own tensors and no others."""
    own = {**module._parameters, **module._buffers}
    names = [name for name in _NORM[1:5] if name in given]
    return isinstance(given.get("input"), Tensor) and all(
        given[name] is own.get(name) for name in names
    )


def _map_constants(module: nn.Module, inputs: Constants) -> Constants:
    """Return which outputs have no weight for an input that isn't zero: they are the bias."""
    reads = reads_of(module)
    groups = getattr(module, "groups", 1)
    zero = inputs.zero.reshape(groups, 1, -1)
    known = ~(reads.reshape(groups, -1, reads.shape[1]) & ~zero).any(2).flatten()
    bias = module._parameters.get("bias")
    return Constants.of(known, torch.zeros(len(known)) if bias is None else bias)


def _norm_constants(
    func: Any, args: Any, kwargs: Any, names: Sequence[str], value: Value
) -> Constants:
    """Return what a norm makes of constants, and of anything where its weight is zero."""
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    if given.get("training"):
        return Constants.none(value.count)  # it is computed from the batch
    made = func(**{**given, "input": value.row()})
    known = value.constants.known
    if isinstance(given.get("weight"), Tensor):
        known = known | (given["weight"] == 0).cpu()
    return Constants.of(known, made.flatten())


def _written(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """Return the tensors that an operation writes to."""
    if not func._schema.is_mutable:
        return []
    declared = func._schema.arguments
    given = {argument.name: value for argument, value in zip(declared, args, strict=False)}
    given.update(kwargs)
    return tensors_in(
        [
            given.get(argument.name)
            for argument in declared
            if argument.alias_info is not None and argument.alias_info.is_write
        ]
    )
