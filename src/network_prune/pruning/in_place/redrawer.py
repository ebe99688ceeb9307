"""Draw after draw in the weights' own memory: the fastest way to evaluate many."""

import weakref
from functools import partial

from network_prune.core.streams import check_stream_number
from network_prune.pruning.drawing import Drawer
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.pruning.in_place.written import Written
from network_prune.pruning.masks.targets import find_targets
from network_prune.pruning.prunable import Draw, PrunableSet
from network_prune.pruning.recalibration.statistics import put_back
from network_prune.pruning.state import check_not_pruned, one_at_a_time
from network_prune.pruning.unfinished import Change, Turn, settling


class Redrawer:
    """Prunes a network in place, one draw after the other, and restores it bit for bit.

    The network stays as it is until the first `redraw`. Nothing is registered on its
    modules: the weights themselves change, over the prunable elements only, whose values
    are kept aside meanwhile. Leaving it as a context restores the network, and so does
    collecting a Redrawer that is dropped unrestored. A copy of the network that is made under
    a draw (deepcopy, pickle, a file) has the draw's zeros as its own weights, for good.

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

    Raises:
        ArgumentError: a value is outside what is allowed.
        StateError: the network is pruned already.
        UnsupportedNetworkError: the network's layers aren't those of ``prunable``.

    Source: arXiv 2208.08677, section 3.2.
    """

    @settling
    @one_at_a_time
    def __init__(
        self, model: AnyNetwork, prunable: PrunableSet, *, p_bern: float, seed: int = 0
    ) -> None:
        drawer = Drawer(prunable.elements, p_bern=p_bern, seed=seed)
        self.p_bern, self.seed = drawer.p_bern, drawer.seed
        self.model = model = module_of(model)
        self.prunable = prunable
        check_not_pruned(model)
        self._written = Written(drawer, find_targets(model, prunable, False))
        self._drawer = drawer
        self._next = 0
        weakref.finalize(self, self._written.drop).atexit = False

    @property
    def index(self) -> int | None:
        """The present draw; None before the first and after restoring."""
        return self._written.index

    @property
    def draw(self) -> Draw | None:
        """The present draw, which holds the masks; None where ``index`` is None."""
        if self.index is None:
            return None
        return self._drawer.draw(self.index).draw

    @property
    def held_bytes(self) -> int:
        """Memory in bytes of the values and places that are kept aside."""
        return self._written.held_bytes

    @settling
    def redraw(self, index: int | None = None) -> None:
        """Write another draw into the network; an interruption leaves the network restored.

        Args:
            index: which draw of the seed; by default the one after the last, 0 at first.

        Raises:
            ArgumentError: ``index`` isn't in [0, 2**64).
            StateError: a weight was changed, moved or exchanged by other means meanwhile.
        """
        with Turn(self._written):
            index = self._next if index is None else check_stream_number("index", index)
            self._written.write(self.model, index)
            self._next = (index + 1) % 2**64

    @settling
    def restore(self) -> None:
        """Put every weight back: the network is exactly what it was. Twice does no harm.

        What `recalibrate` found under a draw goes, too.

        Raises:
            StateError: a weight was changed, moved or exchanged by other means meanwhile; it
                is left alone, all others are back.
        """
        with Turn(self._written):
            if self._written.is_on:
                back = partial(put_back, self.model)
                Change(back, back).complete()
                self._written.restore()

    def __enter__(self) -> "Redrawer":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.restore()
        finally:
            self.restore()  # Ctrl-C may have come before the first one had begun
