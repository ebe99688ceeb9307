"""A network with a fresh draw in every forward, for plugging into other people's loops."""

from functools import cached_property
from typing import Any

from torch import Tensor, nn

from network_prune.pruning.drawing import Drawn
from network_prune.pruning.replaced import replaced
from network_prune.pruning.surrogates.masked_copies import MaskedCopies, can_copy
from network_prune.pruning.surrogates.surrogate import Surrogate


class Diversified(Surrogate):
    """Computes a network under a fresh draw in each forward; no Parameter is ever written.

    A module like the network: same inputs and outputs, gradients to the input and, where
    they are wanted, to the unpruned weights. Forwards under different draws may be joined
    in one backward. ``train()`` and ``eval()`` change nothing about drawing, and ``training``
    is the network's. So are public attributes, such as ``config`` or ``num_classes``, but no
    methods, which would compute the full network. The state_dict is the network's, with the
    count of forwards as ``_extra_state``: a loaded one goes on at the next draw. During a
    forward, which takes one extra set of the ranked layers' weights, the network's modules
    see masked tensors in the place of their Parameters; several threads wait for each other.
    On the CPU the memory of frozen weights' masked copies is kept for the next forward.

    Under torch.distributed each process draws its own: rank r of w uses draws r, r + w,
    r + 2w, … unless ``start`` and ``step`` say otherwise.

    Args:
        model: the network that ``prunable`` was ranked on, or one of the same shapes.
        prunable: what `rank` returned.
        p_bern: probability in [0, 1] that a prunable element is pruned.
        seed: integer in [0, 2**64) that names the draws.
        mode: ``prune``, or ``dropout`` as a baseline: any element of the ranked layers is
            pruned, with the probability that gives the same expected pruning ratio.
        rescale: divide the weights that stay by 1 - ratio, for ``dropout``.
        every: forwards that use one draw.
        start: index of the first draw; by default the process's rank, 0 for a single one.
        step: from one draw's index to the next one's; by default the number of processes.
        prepare: compute a faster copy of the network in eval mode, with its channels last and
            BatchNorms folded: outputs differ by rounding alone. The copy is frozen, and what
            becomes of the network later doesn't reach it. A network that can't be copied or
            made faster is computed as it is.

    Attributes:
        model: the network, or the copy of it that is computed.
        prunable: the prunable set.
        p_bern: the probability.
        seed: the seed.
        mode: the mode.
        index: the last forward's draw; None before the first.

    Raises:
        ArgumentError: a value is outside what is allowed.
        StateError: the network is pruned already; in a forward, its weights were exchanged
            meanwhile, or activation checkpointing would compute it again.
        UnsupportedNetworkError: the network's layers aren't those of ``prunable``.

    Source: arXiv 2208.08677, section 3.2.
    """

    @cached_property
    def _copies(self) -> MaskedCopies:
        return MaskedCopies()

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_copies"}

    def _run(self, drawn: Drawn, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with replaced(self._masked(drawn)):
            return self._compute(self.model, args, kwargs)

    def _masked(self, drawn: Drawn) -> list[tuple[nn.Module, str, Tensor]]:
        """Return what the modules that hold ranked weights see in their place."""
        modules = dict(self.model.named_modules())
        holders = {ranked.place: ranked.find(modules) for ranked in self._weights}
        weights = {place: found[0].weight for place, found in holders.items()}
        plain = {place: weight for place, weight in weights.items() if can_copy(weight)}
        masked = self._copies.copy(plain, drawn, factor=self._factor)
        for ranked in self._weights:
            if ranked.place not in masked:
                weight = weights[ranked.place]
                masked[ranked.place] = ranked.mask(weight, drawn, factor=self._factor)
        return [
            (holder.module, holder.name, masked[place])
            for place, found in holders.items()
            for holder in found
        ]
