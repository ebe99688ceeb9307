"""Where a network can be cut, seen while its steps are done once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx

from network_prune.evaluation.shared_prefix.steps import Steps, Values, tensors_in


@dataclass(slots=True)
class Cuts:
    """What lies before, at and after each step of a network.

    Attributes:
        steps: the steps.
        work: about how many multiply-adds the steps before each took.
        held: bytes of the values that cross over to each step from those before it.
        crossing: these values' steps.
        same: the step that first gave the memory in which the value of another lies.
        written: the last step that wrote into such memory, by the step that first gave it.
        images: how many images there were.
    """

    steps: Steps
    images: int
    work: list[int] = field(default_factory=lambda: [0])
    held: list[int] = field(default_factory=list[int])
    crossing: list[tuple[fx.Node, ...]] = field(default_factory=list[tuple[fx.Node, ...]])
    same: dict[fx.Node, fx.Node] = field(default_factory=dict[fx.Node, fx.Node])
    written: dict[fx.Node, int] = field(default_factory=dict[fx.Node, int])

    def look(self, images: Tensor) -> Any:
        """Do all steps, note what happens, and return what the network gives.

        Raises:
            RuntimeError: a step writes into the images, or what a step raises.
        """
        values: Values = {}
        last = len(self.steps.nodes) - 1
        for number in range(last):
            self._note(values)
            before = {node: (own := tensors_in(v), versions(own)) for node, v in values.items()}
            self.steps.run(values, range(number, number + 1), images)
            made = self.steps.nodes[number]
            memory = _memory(tensors_in(values.get(made)))
            for node, (tensors, old) in before.items():
                if memory & _memory(tensors):
                    self.same[made] = self._first(node)
                if versions(tensors) != old:
                    self.written[self._first(node)] = number
            self.work.append(self.work[-1] + self._work(number, values))
        if self.steps.nodes[0] in self.written:
            raise RuntimeError("the network writes into its images")
        self._note(values)
        return self.steps.finish(values, last)

    def share(self, step: int) -> float:
        """Return which part of the work, in [0, 1], lies before a step."""
        return self.work[step] / max(self.work[-1], 1)

    def bytes(self, step: int, images: int) -> int:
        """Return about how many bytes the values of so many images take that cross to a step."""
        return self.held[step] * images // self.images

    def is_written(self, step: int) -> bool:
        """Whether later steps write into values that cross to a step."""
        written = (self.written.get(self._first(node), -1) for node in self.crossing[step])
        return any(last >= step for last in written)

    def _first(self, node: fx.Node) -> fx.Node:
        return self.same.get(node, node)

    def _note(self, values: Values) -> None:
        storages = [each.untyped_storage() for each in tensors_in(list(values.values()))]
        self.held.append(sum({each.data_ptr(): each.nbytes() for each in storages}.values()))
        self.crossing.append(tuple(values))

    def _work(self, number: int, values: Values) -> int:
        """Return about how many multiply-adds a step took: those of its weights, and one a value.

        What else a step multiplies, as attention does, isn't counted.
        """
        node = self.steps.nodes[number]
        own = self.steps.tensors_of(node) if node.op == "call_module" else ()
        each = sum(tensor[0].numel() for tensor in own if tensor.dim() > 1 and len(tensor))
        return (1 + each) * sum(tensor.numel() for tensor in tensors_in(values.get(node)))


def _memory(tensors: Iterable[Tensor]) -> set[int]:
    return {each.untyped_storage().data_ptr() for each in tensors if each.numel()}


def versions(tensors: Iterable[Tensor]) -> list[int]:
    """Return numbers that grow as tensors, or others with the same memory, are written."""
    return [each._version for each in tensors]


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape, dtype and bits."""
    if one.shape != other.shape or one.dtype != other.dtype or one.device != other.device:
        return False
    return torch.equal(*(each.contiguous().view(torch.uint8) for each in (one, other)))
