"""Draw after draw in the weights' own memory: the fastest way to evaluate many."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from network_prune.core.elements import ElementSet
from network_prune.core.streams import check_stream_number
from network_prune.errors import StateError
from network_prune.pruning.drawing import Drawer
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.pruning.in_place.pieces import Piece, pieces_of
from network_prune.pruning.masks.targets import Target, find_targets
from network_prune.pruning.prunable import Draw, PrunableSet
from network_prune.pruning.state import check_not_pruned, hold, release


class Redrawer:
    """Prunes a network in place, one draw after the other, and restores it bit for bit.

    The network stays as it is until the first `redraw`. Nothing is registered on its
    modules: the weights themselves change, over the prunable elements only, whose values
    are kept aside meanwhile. Leaving it as a context restores the network; if a Redrawer
    is dropped unrestored, the zeros of its last draw stay.

    A gradient graph that was built under one draw can't be used under the next: its
    backward raises PyTorch's error about a tensor modified in place. For training use
    `prune`.

    Args:
        model: the network that ``prunable`` was ranked on, or one of the same shapes.
        prunable: what `rank` returned.
        p_bern: probability in [0, 1] that a prunable element is pruned.
        seed: integer in [0, 2**64) that names the draws.

    Attributes:
        model: the network.
        prunable: the prunable set.
        p_bern: the probability.
        seed: the seed.
        index: the present draw; None before the first and after restoring.

    Raises:
        ArgumentError: a value is outside what is allowed.
        StateError: the network is pruned already.
        UnsupportedNetworkError: the network's layers aren't those of ``prunable``.

    Source: arXiv 2208.08677, section 3.2.
    """

    def __init__(
        self, model: AnyNetwork, prunable: PrunableSet, *, p_bern: float, seed: int = 0
    ) -> None:
        self._drawer = Drawer(prunable.elements, p_bern=p_bern, seed=seed)
        self.p_bern, self.seed = self._drawer.p_bern, self._drawer.seed
        self.index: int | None = None
        self.model = model = module_of(model)
        self.prunable = prunable
        check_not_pruned(model)
        self._weights = [_Held(target) for target in find_targets(model, prunable, False)]
        self._pieces = list(_find_pieces(self._weights, prunable.elements))
        self._lock = threading.Lock()
        self._next = 0
        # Whether weights may differ from the full network's, also after an interruption.
        self._is_on = False

    @property
    def draw(self) -> Draw | None:
        """The present draw, which holds the masks; None where ``index`` is None."""
        if self.index is None:
            return None
        return self._drawer.draw(self.index).draw

    @property
    def held_bytes(self) -> int:
        """Memory in bytes of the values and places that are kept aside."""
        orders = {id(piece.order): piece.order for _, piece in self._pieces}
        shared = sum(order.nbytes for order in orders.values() if order is not None)
        return self._drawer.held_bytes + shared + sum(piece.held_bytes for _, piece in self._pieces)

    def redraw(self, index: int | None = None) -> None:
        """Write another draw into the network; an interruption leaves the network restored.

        Args:
            index: which draw of the seed; by default the one after the last, 0 at first.

        Raises:
            ArgumentError: ``index`` isn't in [0, 2**64).
            StateError: a weight was changed, moved or exchanged by other means meanwhile.
        """
        with self._lock:
            index = self._next if index is None else check_stream_number("index", index)
            if not self._is_on:
                check_not_pruned(self.model)
            for weight in self._weights:
                weight.check()
            if self._is_on and self.index is None:
                self._put_back()
            drawn = self._drawer.draw(index)
            try:
                self._is_on = True
                hold(self, (weight.parameter for weight in self._weights))
                self._run(lambda piece: piece.write(drawn))
                self.index, self._next = index, (index + 1) % 2**64
            except BaseException:
                self._put_back()
                raise

    def restore(self) -> None:
        """Put every weight back: the network is exactly what it was. Twice does no harm.

        Raises:
            StateError: a weight was changed, moved or exchanged by other means meanwhile; it
                is left alone, all others are back.
        """
        with self._lock:
            if not self._is_on:
                return
            changed = [weight for weight in self._weights if not weight.is_untouched()]
            # One that left its memory to others that share it doesn't keep their values from them.
            lost = {weight.target.layer for weight in changed if weight.is_overwritten()}
            self._pieces = [(w, p) for w, p in self._pieces if w.target.layer not in lost]
            self._put_back()
            for weight in changed:
                weight.check()

    def __enter__(self) -> "Redrawer":
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def _put_back(self) -> None:
        """Put back all values; may be called again after an interruption."""
        self.index = None
        self._run(lambda piece: piece.restore())
        release(weight.parameter for weight in self._weights)
        self._is_on = False

    def _run(self, work: Callable[[Piece], None]) -> None:
        """Do ``work`` on every piece.

        Autograd is told that the weights changed, and others' changes are told by that;
        torch.autocast forgets its copies of them.
        """
        written = [weight for weight in self._weights if weight.is_untouched()]
        for _, piece in self._pieces:
            work(piece)
        for weight in written:
            weight.count_write()
        for weight in written:
            weight.remember()
        torch.clear_autocast_cache()


class _Held:
    """A Parameter that holds a ranked weight, as it was when we last looked."""

    def __init__(self, target: Target) -> None:
        self.target = target
        parameter = target.module._parameters[target.name]
        assert parameter is not None, "targets are Parameters"
        self.parameter: Tensor = parameter
        self.remember()

    def remember(self) -> None:
        """Take the present state as ours."""
        self._state = _state(self.parameter)

    def count_write(self) -> None:
        """Raise the version by which autograd refuses graphs of older values."""
        if not self.parameter.is_inference():
            torch.autograd.graph.increment_version(self.parameter)

    def is_untouched(self) -> bool:
        """Whether it is the module's Parameter still, with the values that we left there."""
        holds = self.target.module._parameters.get(self.target.name)
        return holds is self.parameter and _state(self.parameter) == self._state

    def is_overwritten(self) -> bool:
        """Whether others have written to the memory that we write to."""
        place, version = self._state
        return place == _state(self.parameter)[0] and version != _state(self.parameter)[1]

    def check(self) -> None:
        """Raise a StateError unless `is_untouched`."""
        if not self.is_untouched():
            raise StateError(
                f"the weight of layer {self.target.layer!r} was changed, moved or exchanged since "
                "the Redrawer last wrote it; load the weights you want and make a new Redrawer"
            )


def _find_pieces(weights: list[_Held], elements: ElementSet) -> Iterator[tuple[_Held, Piece]]:
    first = {weight.target.layer: weight for weight in reversed(weights)}
    for place, layer in enumerate(elements.layers):
        weight = first[layer.name]
        # Writing to .data leaves the version to us.
        for piece in pieces_of(weight.parameter.data, elements, place):
            yield weight, piece


def _state(weight: Tensor) -> tuple[tuple[Any, ...], int]:
    """Return where the values lie, and how often they were written."""
    version = 0 if weight.is_inference() else weight._version
    return (weight.data_ptr(), weight.dtype, weight.device, weight.stride()), version
