"""What a Redrawer writes into a network's weights, and what stood there before."""

import os
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from network_prune.core.elements import ElementSet
from network_prune.errors import StateError
from network_prune.pruning.drawing import Drawer
from network_prune.pruning.in_place.pieces import Piece, pieces_of
from network_prune.pruning.masks.targets import Target
from network_prune.pruning.prunable import Draw
from network_prune.pruning.state import check_not_pruned, hold, one_at_a_time, release
from network_prune.pruning.unfinished import Change

_IN_PLACE = "is pruned in place by a Redrawer; call its restore() first"
_LOST = (
    "has zeros of a Redrawer that is gone, and was changed before they could be put back; load "
    "its weights anew"
)


class Written:
    """The weights of a network, with their own values kept aside while a draw is written.

    It keeps no module and no Parameter alive, so it can put the values back when the Redrawer
    is collected.

    Args:
        drawer: makes the draws.
        targets: where the weights are; the network isn't pruned.

    Attributes:
        index: the present draw; None before the first, after restoring and an interruption.
        is_on: whether weights may differ from the full network's, also after an interruption.
    """

    def __init__(self, drawer: Drawer, targets: list[Target]) -> None:
        self._drawer = drawer
        self._weights = [_Weight(target) for target in targets]
        self._pieces = list(_find_pieces(self._weights, drawer.elements))
        self._process = os.getpid()
        self.index: int | None = None
        self.is_on = False

    @property
    def held_bytes(self) -> int:
        """Memory in bytes of the values and places that are kept aside."""
        orders = {id(piece.order): piece.order for _, piece in self._pieces}
        shared = sum(order.nbytes for order in orders.values() if order is not None)
        return self._drawer.held_bytes + shared + sum(piece.held_bytes for _, piece in self._pieces)

    def check(self) -> None:
        """Raise a StateError that names a weight that others changed, if there is one."""
        for weight in self._weights:
            weight.check()

    def write(self, model: nn.Module, index: int) -> None:
        """Write a draw into ``model``; an interruption leaves the network restored.

        Raises:
            StateError: the network is pruned by other means, or others changed a weight.
        """
        if self.is_on:
            self.check()
            if self.index is None:
                self.put_back()
        drawn = self._drawer.draw(index)
        try:
            if not self.is_on:
                self._begin(model)
            self._run(lambda piece: piece.write(drawn))
            self.index = index
        except BaseException:
            if self.is_on:
                self.put_back()
            raise

    @one_at_a_time
    def _begin(self, model: nn.Module) -> None:
        """Let nobody else prune the network from here on."""
        check_not_pruned(model)
        self.check()
        self.is_on = True
        hold(self._parameters(), _IN_PLACE)

    def put_back(self) -> None:
        """Put back all values; an interruption is made up for."""
        Change(self._put_back, self._put_back).complete()

    def _put_back(self) -> None:
        self.index = None
        self._run(lambda piece: piece.restore())
        release(self._parameters())
        self.is_on = False

    def restore(self) -> None:
        """Put back all values but those of weights that others changed, which stay.

        Raises:
            StateError: there are such; all others are back.
        """
        for weight in self._put_back_ours():
            weight.check()

    def drop(self) -> None:
        """Put back what can be put back when nobody can ask for it any more.

        What others changed is refused from now on where it has zeros of the draw still.
        """
        # A process that was forked may share the memory with the one that it came from.
        if not self.is_on or os.getpid() != self._process:
            return
        draw = None if self.index is None else self._drawer.draw(self.index).draw
        try:
            changed = self._put_back_ours()
        except BaseException:
            self.put_back()
            raise
        for weight in changed:
            parameter = weight.parameter
            if draw is not None and parameter is not None and weight.has_zeros_of(draw):
                weight.remember()
                hold([parameter], _LOST, weight.is_untouched)

    def _put_back_ours(self) -> "list[_Weight]":
        """Put back all values but others', and return the weights that others changed."""
        changed = [weight for weight in self._weights if not weight.is_untouched()]
        # One that left its memory to others that share it doesn't keep their values from them.
        lost = {w.layer for w in changed if w.is_overwritten() or w.is_memory_gone()}
        self._pieces = [(w, p) for w, p in self._pieces if w.layer not in lost]
        self.put_back()
        return changed

    def _parameters(self) -> Iterator[Tensor]:
        return (w.parameter for w in self._weights if w.parameter is not None)

    def _run(self, work: Callable[[Piece], None]) -> None:
        """Do ``work`` on every piece.

        Autograd is told that the weights changed, and others' changes are told by that;
        torch.autocast forgets its copies of them.
        """
        written = [weight for weight in self._weights if weight.is_untouched()]
        with Change(lambda: None, lambda: _remember(written)):
            for _, piece in self._pieces:
                work(piece)
            for weight in written:
                weight.count_write()
        torch.clear_autocast_cache()


class _Weight:
    """A Parameter that holds a ranked weight, as it was when we last looked."""

    def __init__(self, target: Target) -> None:
        self.layer, self._name = target.layer, target.name
        parameter = target.module._parameters[target.name]
        assert parameter is not None, "targets are Parameters"
        self._module, self._parameter = weakref.ref(target.module), weakref.ref(parameter)
        # Writing to .data leaves the version to us.
        self.memory = parameter.data
        self._address = parameter.data_ptr()
        self.remember()

    @property
    def parameter(self) -> Tensor | None:
        """The Parameter, as long as it exists."""
        return self._parameter()

    def remember(self) -> None:
        """Take the present state as ours."""
        self._state = _state(self.parameter)

    def count_write(self) -> None:
        """Raise the version by which autograd refuses graphs of older values."""
        if self.parameter is not None and not self.parameter.is_inference():
            torch.autograd.graph.increment_version(self.parameter)

    def is_there(self) -> bool:
        """Whether it is the module's Parameter still."""
        module, parameter = self._module(), self.parameter
        holds = None if module is None else module._parameters.get(self._name)
        return parameter is not None and holds is parameter

    def is_untouched(self) -> bool:
        """Whether it is there, with the values that we left."""
        return self.is_there() and _state(self.parameter) == self._state

    def is_overwritten(self) -> bool:
        """Whether others have written to the memory that we write to."""
        place, version = self._state
        return place == _state(self.parameter)[0] and version != _state(self.parameter)[1]

    def is_memory_gone(self) -> bool:
        """Whether the memory that we write to was given up, as ``share_memory_`` does."""
        return self.memory.data_ptr() != self._address

    def check(self) -> None:
        """Raise a StateError unless `is_untouched`."""
        if not self.is_untouched():
            raise StateError(
                f"the weight of layer {self.layer!r} was changed, moved or exchanged since "
                "the Redrawer last wrote it; load the weights you want and make a new Redrawer"
            )

    def has_zeros_of(self, draw: Draw) -> bool:
        """Whether it is there and 0 wherever the draw pruned, which may be nowhere."""
        if not self.is_there() or self.parameter is None:
            return False
        pruned = self.parameter.detach().cpu()[~draw.mask(self.layer)]
        return bool(pruned.numel()) and not pruned.any()


def _remember(weights: list[_Weight]) -> None:
    for weight in weights:
        weight.remember()


def _find_pieces(weights: list[_Weight], elements: ElementSet) -> Iterator[tuple[_Weight, Piece]]:
    first = {weight.layer: weight for weight in reversed(weights)}
    for place, layer in enumerate(elements.layers):
        weight = first[layer.name]
        for piece in pieces_of(weight.memory, elements, place):
            yield weight, piece


def _state(weight: Tensor | None) -> tuple[tuple[Any, ...], int]:
    """Return where the values lie, and how often they were written."""
    if weight is None:
        return (), 0
    version = 0 if weight.is_inference() else weight._version
    return (weight.data_ptr(), weight.dtype, weight.device, weight.stride()), version
