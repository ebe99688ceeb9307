"""A network as a row of steps, which can be done from any of them on."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, fx, nn
from torch.fx.node import map_arg
from torch.utils._pytree import tree_leaves

from network_prune.pruning.tracing.trace import trace

Values = dict[fx.Node, Any]
# What they give has the memory of a tensor, and writing to it leaves the tensor's version.
_PAST_VERSIONS = {"data", "numpy", "__array__", "__dlpack__", "untyped_storage", "storage", "set_"}


class Steps:
    """The steps of a network, done by its own modules, with the weights that these have then.

    Args:
        model: the network, in eval mode.

    Attributes:
        nodes: the steps in their order; the first takes the images, the last gives the output.

    Raises whatever `trace` raises, KeyError or AttributeError where a step takes what the
    network doesn't hold, and ValueError where one may write unseen.
    """

    def __init__(self, model: nn.Module) -> None:
        self.nodes = tuple(trace(model).nodes)
        if any(map(_may_write_unseen, self.nodes)):
            raise ValueError("a step leads to memory past its tensor")
        self._modules = dict(model.named_modules())
        last_use = {node: number for number, node in enumerate(self.nodes)}
        for number, node in enumerate(self.nodes):
            last_use.update(dict.fromkeys(node.all_input_nodes, number))
        self._ended: dict[int, list[fx.Node]] = defaultdict(list)
        for node, number in last_use.items():
            self._ended[number].append(node)
        self._first: dict[tuple[Any, ...], int] = {}
        for number, node in enumerate(self.nodes):
            for tensor in self.tensors_of(node):
                self._first.setdefault(_memory(tensor), number)

    def first_to_read(self, weights: Iterable[Tensor]) -> int:
        """Return the number of the first step that one of the network's ``weights`` may reach.

        0 where no step is seen to take one of them.
        """
        return min((self._first.get(_memory(each), 0) for each in weights), default=0)

    def run(self, values: Values, steps: range, images: Tensor | None = None) -> None:
        """Do ``steps``; afterwards ``values`` are those of earlier steps that later ones take.

        Args:
            values: the same before ``steps``.
            steps: numbers of steps that follow each other.
            images: what the network takes, ``[n, C, H, W]``; None where step 0 is done.
        """
        for number in steps:
            node = self.nodes[number]
            if node.op != "get_attr":
                values[node] = images if number == 0 else self._do(node, values)
            for ended in self._ended[number]:
                values.pop(ended, None)

    def finish(self, values: Values, start: int) -> Any:
        """Return what the network gives, by the steps from ``start`` on; empties ``values``."""
        last = len(self.nodes) - 1
        self.run(values, range(start, last))
        return self._do(self.nodes[last], values)

    def tensors_of(self, node: fx.Node) -> list[Tensor]:
        """Return the network's own tensors that a step may read."""
        if node.op == "get_attr":
            return [self._attribute(str(node.target))]
        if node.op != "call_module":
            return []
        return list(_reached(self._modules[str(node.target)], set()))

    def _attribute(self, path: str) -> Any:
        module, _, name = path.rpartition(".")
        return getattr(self._modules[module], name)

    def _do(self, node: fx.Node, values: Values) -> Any:
        def given(other: fx.Node) -> Any:
            return self._attribute(str(other.target)) if other.op == "get_attr" else values[other]

        args: Any = map_arg(node.args, given)
        kwargs: Any = map_arg(node.kwargs, given)
        target: Any = node.target
        match node.op:
            case "call_module":
                return self._modules[target](*args, **kwargs)
            case "call_method":
                return getattr(args[0], target)(*args[1:], **kwargs)
            case "call_function":
                return target(*args, **kwargs)
            case _:  # the output, or the default of what isn't the images
                return args[0]


def tensors_in(value: Any) -> list[Tensor]:
    """Return the tensors in what a step gave."""
    return [each for each in tree_leaves(value) if isinstance(each, Tensor)]


def _may_write_unseen(node: fx.Node) -> bool:
    name = node.args[1] if node.target is getattr else node.target
    return name in _PAST_VERSIONS


def _reached(module: nn.Module, seen: set[nn.Module]) -> Iterator[Tensor]:
    """Yield the tensors of a module, of those in it, and of those that its attributes hold."""
    seen.add(module)
    for each in tree_leaves(list(vars(module).values())):
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, nn.Module) and each not in seen:
            yield from _reached(each, seen)


def _memory(tensor: Tensor) -> tuple[Any, ...]:
    """Return what tells whether two tensors may lie in the same memory."""
    return tensor.device, tensor.untyped_storage().data_ptr()
